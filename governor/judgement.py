"""What comes up for the gate at one moment, and what came of it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from governor.core import model
from governor.core.incoming import Incoming, Told
from governor.core.resolution import Handover, Resolution
from governor.core.setting import Taken, Turn
from governor.core.standing import Scope
from governor.ledger.keys import Pseudonyms

Tried = frozenset[int]
"""When (ms) the same was tried before and not answered."""


class Arrivals(msgspec.Struct, frozen=True):
    """What has come up at one moment, in the order in which it came.

    `due` are the keys of people with something to look at now.
    """

    told: Sequence[Told] = ()
    fresh: Sequence[Incoming] = ()
    controls: Sequence[model.Control] = ()
    due: Sequence[str] = ()


class Judgement(msgspec.Struct):
    """What came of the arrivals: what to publish, what to refuse, and what it took.

    `more` tells that more people than were asked for have something due, `since` from when on
    (monotonic seconds) some of it may be written down, where answers were lost meanwhile.
    """

    resolutions: list[Resolution] = msgspec.field(default_factory=list)
    rejected: list[tuple[Incoming, str]] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    handovers: list[Handover] = msgspec.field(default_factory=list)
    conflicts: int = 0
    more: bool = False
    since: float = math.inf
    seconds: dict[str, float] = msgspec.field(default_factory=lambda: defaultdict(float))

    def add(self, taken: Taken) -> None:
        """Take in what one person's turn came to."""
        self.resolutions += taken.resolutions
        self.rejected += taken.rejected
        self.notes += taken.notes
        self.handovers += [taken.handover] if taken.handover else []


def turns_of(
    arrivals: Arrivals,
    now: int,
    names: Pseudonyms,
    covered: tuple[Scope, ...] = (),
    swept: Iterable[str] = (),
) -> list[Turn]:
    """Return one turn at *now* (ms) for each person who is told of, asked for, due or *swept*."""
    told: dict[str, list[Told]] = defaultdict(list)
    fresh: dict[str, list[Incoming]] = defaultdict(list)
    places: dict[str, list[int]] = defaultdict(list)
    for one in arrivals.told:
        told[names.of_fact(one.fact)].append(one)
    for place, incoming in enumerate(arrivals.fresh):
        key = names.of(incoming.candidate.person)
        fresh[key].append(incoming)
        places[key].append(place)
    # Whoever has a turn has what is due judged in it, before what is fresh takes its slot.
    return [
        Turn(
            key,
            now,
            tuple(told.get(key, ())),
            tuple(fresh.get(key, ())),
            covered,
            due=True,
            places=tuple(places.get(key, ())),
        )
        for key in dict.fromkeys((*told, *arrivals.due, *swept, *fresh))
    ]

"""What was known at one decision, and the moment that is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.faults.oracle import records
from tests.faults.oracle.book import Fact
from tests.faults.oracle.caps import Send, settled
from tests.faults.oracle.records import Json, moment
from tests.faults.oracle.score import TOLERANCE

Reach = tuple[int, ...]
"""How many facts of each topic of a group were applied."""


@dataclass(frozen=True)
class When:
    """A moment that is asked about, as it looks at *now*.

    `doubt` is by how many points a score must be above the ceiling to be too much: less than none
    where what is only just below it may be too much as well.
    """

    at: int
    now: int
    doubt: float = TOLERANCE


class Known:
    """What was known at one decision: so many facts of each stream, and all releases before."""

    def __init__(
        self,
        streams: dict[str, Sequence[Fact]],
        sends: Sequence[Send],
        at_first: Reach | None,
    ) -> None:
        self._streams = streams
        self._at_first = at_first
        self.sends = sends

    def besides(self, hidden: Sequence[Send]) -> Known:
        """Return the same with some releases more."""
        return Known(self._streams, [*self.sends, *hidden], self._at_first)

    def of(self, topic: str) -> list[Json]:
        """Return the facts of a stream that were applied, in the order of the stream."""
        return [fact.value for fact in self._streams[topic]]

    def since_first(self, topic: str) -> list[Json]:
        """Return those that cannot have been applied by the first decision on the message."""
        if self._at_first is None:
            return []
        return [fact.value for fact in self._streams[topic][self._at_first[0] :]]

    @cached_property
    def profile(self) -> Json | None:
        latest: Json | None = None
        for profile in self.of(records.PROFILES):
            if latest is None or moment(profile["at"]) >= moment(latest["at"]):
                latest = profile
        return latest

    @cached_property
    def taken(self) -> list[Send]:
        """The releases whose slot was not given back."""
        slots = settled(self.feedback)
        return [one for one in self.sends if slots.get(one.id) != "given back"]

    @cached_property
    def pressing(self) -> list[Send]:
        """Those of them that count."""
        return [one for one in self.taken if one.counts]

    @property
    def consents(self) -> list[Json]:
        return self.of(records.CONSENTS)

    @property
    def feedback(self) -> list[Json]:
        return self.of(records.FEEDBACK)

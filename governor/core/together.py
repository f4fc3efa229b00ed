"""Take the turns of several people at one moment, who may share households."""

from collections.abc import Iterable, Sequence

from governor.core import arbitrate
from governor.core.incoming import Incoming
from governor.core.person import Person
from governor.core.setting import Setting, Taken, Turn
from governor.core.standing import Standing, Waiting
from governor.core.turn import take_turn

_Woken = tuple[Person, Waiting, Incoming]


def take_turns(
    setting: Setting, standings: Sequence[Standing], turns: Sequence[Turn]
) -> list[Taken]:
    """Return what each turn comes to.

    Where the policy counts by household, one person's message takes another's slot: then
    everything told comes first, then what was woken, the best first whoever it is for, then what
    is fresh, as it came.
    """
    pairs = list(zip(standings, turns, strict=True))
    if not setting.policy.by_household:
        return [take_turn(setting, standing, turn) for standing, turn in pairs]
    people = [Person(setting, standing, turn) for standing, turn in pairs]
    _catch_up([person for person in people if person.turn.catch_up])
    _judge(
        (person, *woken)
        for person, everything in [(person, person.apply_told()) for person in people]
        for woken in person.woken(everything=everything)
    )
    arrived = [
        (place, person, incoming)
        for person in people
        for place, incoming in zip(person.turn.places, person.turn.fresh, strict=True)
    ]
    for _, person, incoming in sorted(arrived, key=lambda one: one[0]):
        person.judge_fresh(incoming)
    return [person.taken() for person in people]


def _catch_up(people: Sequence[Person]) -> None:
    """Judge what was due before, moment by moment, whoever it is for."""
    missed = {person: moment for person in people if (moment := person.missed()) is not None}
    while missed:
        moment = min(missed.values())
        now = [person for person in missed if missed[person] == moment]
        for person in now:
            person.go_to(moment)
        _judge(
            (person, *woken)
            for person in now
            for woken in person.woken(everything=False, until=moment)
        )
        for person in now:
            again = person.missed()
            if again is None:
                del missed[person]
            else:
                missed[person] = again
    for person in people:
        person.go_to(person.turn.now)


def _judge(woken: Iterable[_Woken]) -> None:
    for person, waiting, incoming in sorted(woken, key=_first):
        person.judge_again(waiting, incoming)


def _first(woken: _Woken) -> tuple[tuple[float | str, ...], str]:
    person, _, incoming = woken
    return arbitrate.rank(person.setting.policy, incoming.candidate), incoming.candidate.person

"""What came out of the sample day, and what a simulation says should come out of it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from governor.core.policy import Policy
from governor.demo.script import Beat, Step
from governor.demo.story import KEY
from governor.ledger.keys import Pseudonyms
from governor.simulate import Event, simulate

Decision = dict[str, Any]


class Letter(msgspec.Struct, frozen=True):
    """A dead letter: its bytes and why it is one."""

    value: bytes
    reason: str


class Gathering(msgspec.Struct, frozen=True):
    """A message that waits for rivals, of the person with this pseudonym."""

    person: str
    message: str


class Handover(msgspec.Struct, frozen=True):
    """A person who needs a human: why, since when, and what set it off."""

    id: str
    person: str
    why: str
    since: str
    message: str | None = None


Came = Decision | Letter | Handover | Gathering


class Foretold(msgspec.Struct, frozen=True):
    """What a simulation says of the day: decisions by id, hand-overs by why, resubmissions."""

    decisions: dict[str, Decision]
    handovers: Counter[str]
    resubmissions: int


class Day:
    """Everything that governor has published so far, each thing once; repeats are apart."""

    def __init__(self) -> None:
        self.decisions: dict[str, Decision] = {}
        self.lines: list[bytes] = []
        self.repeats: list[Decision] = []
        self.released: dict[str, list[Decision]] = {}
        self.letters: list[Letter] = []
        self.handovers: dict[str, Handover] = {}
        self.gathered: set[str] = set()
        self.said_again = 0

    def __len__(self) -> int:
        return len(self.decisions) + len(self.letters) + len(self.repeats)

    @property
    def sent(self) -> int:
        """How many records went to the senders, repeats included."""
        return sum(map(len, self.released.values()))

    def decide(self, line: bytes) -> Decision:
        """Take in a decision and return it; one that is known already is a repeat."""
        decision: Decision = msgspec.json.decode(line)
        if decision["id"] in self.decisions:
            self.repeats.append(decision)
        else:
            self.decisions[decision["id"]] = decision
            self.lines.append(line)
        return decision

    def bury(self, value: bytes, reason: str) -> Letter:
        """Take in a dead letter and return it."""
        self.letters.append(Letter(value, reason))
        return self.letters[-1]

    def release(self, line: bytes) -> None:
        """Take in what goes to a sender."""
        released = msgspec.json.decode(line)
        self.released.setdefault(released["id"], []).append(released)

    def hand_over(self, value: bytes) -> Handover:
        """Take in who is handed over to a human and return it; told again it counts once."""
        handover = msgspec.json.decode(value, type=Handover)
        self.handovers[handover.id] = handover
        return handover

    def gather(self, gathering: Gathering) -> Gathering:
        """Take in a message that waits for rivals and return it."""
        self.gathered.add(gathering.message)
        return gathering

    def of(self, message: str) -> list[Decision]:
        """Return the decisions on a message in their order."""
        found = [one for one in self.decisions.values() if one["message"] == message]
        return sorted(found, key=lambda one: int(one["attempt"]))

    def last(self) -> list[Decision]:
        """Return the last decision on each message."""
        newest: dict[str, Decision] = {}
        for one in sorted(self.decisions.values(), key=lambda one: int(one["attempt"])):
            newest[one["message"]] = one
        return list(newest.values())

    def count(self, outcome: str) -> int:
        """Count the messages whose last decision has this outcome."""
        return sum(one["outcome"] == outcome for one in self.last())


def foretell(policy: Policy, beats: Iterable[Beat]) -> Foretold:
    """Return what `governor simulate` says of the day."""
    lines: list[bytes] = []
    events = list(recorded(beats))
    summary = simulate(policy, events, lines.append, names=Pseudonyms(KEY), until=events[-1].at)
    decisions = [msgspec.json.decode(line) for line in lines]
    return Foretold(
        {one["id"]: one for one in decisions},
        summary.handovers,
        summary.resubmissions.total(),
    )


def recorded(beats: Iterable[Beat]) -> Iterator[Event]:
    """Yield the day as events; bytes that are no message can't stand among them."""
    for beat in beats:
        for step in beat.steps:
            if step.raw is None:
                yield Event(beat.at, step.kind, step.data, 0, step.urgent)


def candidates(beats: Iterable[Beat]) -> Iterator[Step]:
    """Yield what the engines send, repeats left out."""
    for beat in beats:
        yield from (step for step in beat.steps if step.kind == "candidate" and not step.repeated)

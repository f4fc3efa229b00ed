"""All records of a run, sorted into what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.faults.oracle import records
from tests.faults.oracle.records import Json, Line, instant, moment, read
from tests.faults.oracle.rules import Message, Rules

Place = tuple[str, int, int]

_AHEAD = 5 * 60_000
_LOOSENS = {"grant", "unobject", "resume", "start"}
_NEEDED = {
    records.CONSENTS: ("id", "person", "at", "action", "purpose"),
    records.FEEDBACK: ("id", "person", "at", "message", "kind"),
    records.PROFILES: ("person", "at"),
    records.CANCELLATIONS: ("id", "person", "at"),
    records.REVIEWS: ("id", "person", "at", "message", "reviewer", "answer"),
    records.CONTROL: ("id", "at", "by", "action"),
}
_OF_A_VARIANT = ("channel", "uses", "techniques", "offer_ends_at", "justification", "content")
_CANDIDATE = ("id", "person", "campaign", "category", "created_at")


@dataclass(frozen=True)
class Fact:
    """A good record of an input topic other than candidates."""

    line: Line
    value: Json


@dataclass
class Candidate:
    """A message: all good records with its id, by what they hold."""

    person: str
    id: str
    lines: list[Line] = field(default_factory=list)
    values: list[Json] = field(default_factory=list)
    value: Json = field(default_factory=dict)
    """What it holds: the content that was judged, where several came under this id."""

    @property
    def first_at(self) -> int:
        return min(line.at for line in self.lines)


class Book:
    """Everything that was written in one run. Ids of messages are unique over all people."""

    def __init__(self, lines: Iterable[Line], rules: Rules, prefix: str = "") -> None:
        self.rules = rules
        self.prefix = prefix
        self.candidates: dict[str, Candidate] = {}
        self.facts: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
        self.controls: list[Fact] = []
        self.bad: list[Line] = []
        self.good: list[Line] = []
        self.released: dict[str, list[Line]] = defaultdict(list)
        self.decisions: dict[str, list[Line]] = defaultdict(list)
        self.waiting: dict[bytes, list[Line]] = defaultdict(list)
        self.letters: dict[Place, list[Line]] = defaultdict(list)
        self.conflicting: set[Place] = set()
        for line in sorted(lines, key=lambda line: line.place):
            self._take(line)
        for candidate in self.candidates.values():
            candidate.value = next(
                (
                    value
                    for line, value in zip(candidate.lines, candidate.values, strict=True)
                    if line.place not in self.conflicting
                ),
                candidate.values[0],
            )

    def _take(self, line: Line) -> None:
        if line.topic in records.INPUTS:
            value = self._good(line)
            (self.bad if value is None else self.good).append(line)
            if value is not None:
                self._input(line, value)
        elif line.topic == records.RELEASED:
            self.released[_named(line, "id")].append(line)
        elif line.topic == records.DECISIONS:
            self.decisions[_named(line, "message")].append(line)
        elif line.topic == records.WAITING:
            self.waiting[line.key or b""].append(line)
        elif line.topic == records.LETTERS:
            self._letter(line)

    def _letter(self, line: Line) -> None:
        place = (
            (line.header("dlq_topic") or "").removeprefix(self.prefix),
            int(line.header("dlq_partition") or -1),
            int(line.header("dlq_offset") or -1),
        )
        self.letters[place].append(line)
        if line.header("dlq_reason") == "conflicting_id":
            self.conflicting.add(place)

    def _input(self, line: Line, value: Json) -> None:
        if line.topic in records.CANDIDATES:
            known = self.candidates.setdefault(value["id"], Candidate(value["person"], value["id"]))
            if known.person != value["person"]:
                raise ValueError(f"{value['id']}: two people have a message of this id")
            known.lines.append(line)
            known.values.append(value)
        elif line.topic == records.CONTROL:
            self.controls.append(Fact(line, value))
        else:
            self.facts[value["person"]][line.topic].append(Fact(line, value))

    def _good(self, line: Line) -> Json | None:
        """Return the value of an input record, None when it belongs to the dead letters."""
        value = read(line.value)
        needed = _CANDIDATE if line.topic in records.CANDIDATES else _NEEDED[line.topic]
        if value is None or any(value.get(name) is None for name in needed):
            return None
        keyed = line.topic not in (records.REVIEWS, records.CONTROL)
        if keyed and line.key is not None and line.key != value["person"].encode():
            return None
        try:
            if line.topic in records.CANDIDATES:
                return value if self._fits(line, value) else None
            ahead = moment(value["at"]) > line.at + _AHEAD
        except (ValueError, KeyError, TypeError):
            return None
        if ahead:
            return None if value.get("action") in _LOOSENS else {**value, "at": _written(line.at)}
        return value

    def _fits(self, line: Line, value: Json) -> bool:
        if moment(value["created_at"]) > line.at + _AHEAD:
            return False
        instant(value.get("expires_at"))
        instant(value.get("not_before"))
        channels = [one["channel"] for one in variants_of(value)]
        return (
            bool(channels)
            and value["category"] in self.rules.categories
            and set(channels) <= self.rules.channels
        )


def variants_of(candidate: Json) -> list[Json]:
    """Return the variants of a candidate, the short form widened."""
    if "channel" in candidate:
        said = {name: candidate[name] for name in _OF_A_VARIANT if name in candidate}
        return [{"id": "only", **said}]
    variants: list[Json] = candidate["variants"]
    return variants


def message_of(candidate: Json, variant: str) -> Message:
    """Return what the rules look at when *candidate* goes out as the *variant* of this id."""
    [named] = [one for one in variants_of(candidate) if one["id"] == variant]
    return Message(
        candidate["category"],
        candidate["campaign"],
        named["channel"],
        candidate.get("topic"),
        candidate.get("priority", 50),
        named,
    )


def _named(line: Line, name: str) -> str:
    value = read(line.value)
    if value is None or not isinstance(value.get(name), str):
        raise ValueError(f"{line.place}: governor wrote a record without `{name}`")
    found: str = value[name]
    return found


def _written(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds")

"""The rows of an export as events in order of time."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from governor.config.defects import Defect
from governor.convert.mapping import Map, People
from governor.convert.rows import Cells, Record, RowReader, person, rfc3339
from governor.convert.table import InputInvalid, Table
from governor.core.instant import SECOND

_PROFILE, _GRANT, _RESPONSE = -1, -2, -3
# What a person said about all further messages stands even when the message is not in the log.
_SAYS_NO = frozenset({"unsubscribed", "complained"})

# moment, rank (what is known of people first), row, number in it, entry of the map, person, cells
_Item = tuple[int, int, int, int, int, str, Cells]


class Converted(msgspec.Struct, frozen=True):
    """An event made of a row: `at` in milliseconds, `data` as it stands in the JSON."""

    at: int
    type: str
    data: dict[str, Any]

    def line(self) -> bytes:
        """Write the event as one JSON line."""
        event = {"at": rfc3339(self.at), "type": self.type, "data": self.data}
        return msgspec.json.encode(event) + b"\n"


class Tally(msgspec.Struct):
    """What a conversion read and made; `orphans` is feedback with no candidate before it.

    Orphans are left out, unless the person said no to all further messages with them.
    """

    rows: int = 0
    passed_over: int = 0
    people: int = 0
    candidates: int = 0
    feedback: int = 0
    consents: int = 0
    profiles: int = 0
    orphans: int = 0


class Conversion:
    """A log read as a map says; `events` gives what it comes to, and completes the `tally`."""

    def __init__(self, log: Path, mapping: Map, beside: Path) -> None:
        """Read all of *log*; the map's file of people is looked for in *beside*, then by the log.

        Raises InputInvalid with every row that cannot be read.
        """
        self.tally = Tally()
        self._map = mapping
        self._reader = RowReader(mapping)
        self._kinds = [row.kind for row in mapping.rows]
        self._items: list[_Item] = []
        self._first: dict[str, int] = {}
        self._defects: list[Defect] = []
        self._read_log(Table(log))
        if mapping.people is not None and not self._defects:
            self._read_people(mapping.people, (beside, log.parent))
        if self._defects:
            raise InputInvalid(self._defects)
        if mapping.assume is not None:
            early = mapping.assume.consent.before
            for number, (who, at) in enumerate(self._first.items(), 1):
                self._items.append((at - early, 0, number, 0, _GRANT, who, ()))
        self._items.sort()

    def events(self) -> Iterator[Converted]:
        """Yield the events in order of time, at one moment what is known of people first."""
        counts = dict.fromkeys(("candidate", "feedback", "consent", "profile"), 0)
        last: dict[str, str] = {}
        self.tally.orphans = 0
        for at, together in groupby(self._items, key=itemgetter(0)):
            items = list(together)
            for _, _, row, number, kind, who, _ in items:
                if kind >= 0 and self._kinds[kind] == "candidate":
                    last[who] = _message(row, number)
            for item in items:
                event = self._event(item, last.get(item[5]))
                if event is not None:
                    counts[event[0]] += 1
                    yield Converted(at, *event)
        self.tally.candidates, self.tally.feedback = counts["candidate"], counts["feedback"]
        self.tally.consents, self.tally.profiles = counts["consent"], counts["profile"]

    def _read_log(self, table: Table) -> None:
        for row, line, cells in table.rows(self._reader.columns):
            self.tally.rows = row
            try:
                record = self._reader.read(cells)
            except ValueError as error:
                self._defects.append(table.defect(line, str(error)))
            else:
                self._add(row, record)
        self.tally.people = len(self._first)

    def _add(self, row: int, record: Record) -> None:
        who, moments = record.person, record.moments
        if moments:
            who = self._known(who, moments[0])
        if record.kind is None:
            self.tally.passed_over += 1
            return
        for number, at in enumerate(moments, 1):
            self._items.append((at, 1, row, number, record.kind, who, record.cells))
        if record.responded and moments:
            # a moment later, since what is told at one instant is heard before candidates
            self._items.append((moments[-1] + SECOND, 1, row, len(moments), _RESPONSE, who, ()))

    def _known(self, who: str, at: int) -> str:
        self._first[who] = min(at, self._first.get(who, at))
        return who

    def _read_people(self, people: People, folders: tuple[Path, ...]) -> None:
        table = Table(_found(people.file, folders), people.columns)
        before = self._map.assume.consent.before if self._map.assume else 0
        for row, line, cells in table.rows(people.named):
            try:
                who = person(cells[0])
                if who not in self._first:
                    continue
                at = self._first[who] - before
                if people.created is not None:
                    at = self._reader.time(people.created, cells[-1])
            except ValueError as error:
                self._defects.append(table.defect(line, str(error)))
            else:
                self._items.append((at, 0, row, 0, _PROFILE, who, tuple(cells[1:])))

    def _event(self, item: _Item, last: str | None) -> tuple[str, dict[str, Any]] | None:
        at, _, row, number, kind, who, cells = item
        when = rfc3339(at)
        if kind == _PROFILE:
            return "profile", {"person": who, "at": when, **self._profile(cells)}
        if kind == _GRANT:
            return "consent", {"id": f"c-{row}", "person": who, "at": when, **self._grant()}
        if kind == _RESPONSE:
            fields = {"kind": self._map.response.kind} if self._map.response else {}
            return "feedback", _feedback(row, _message(row, number), who, when, fields)
        fields = self._reader.fields(kind, cells)
        if self._kinds[kind] == "candidate":
            data = {"id": _message(row, number), "person": who, **fields, "created_at": when}
            return "candidate", data
        if self._kinds[kind] == "consent":
            return "consent", {"id": f"r-{row}", "person": who, "at": when, **fields}
        if last is None:
            self.tally.orphans += 1
            if fields["kind"] not in _SAYS_NO:
                return None
        return "feedback", _feedback(row, last or f"unknown-{row}", who, when, fields)

    def _grant(self) -> dict[str, Any]:
        assert self._map.assume is not None  # noqa: S101
        consent = self._map.assume.consent
        return {"action": "grant", "purpose": consent.purpose, "basis": consent.basis}

    def _profile(self, cells: Cells) -> dict[str, Any]:
        people = self._map.people
        assert people is not None  # noqa: S101
        named = zip(people.groups, cells, strict=False)
        profile: dict[str, Any] = {}
        if groups := {name: cell for name, cell in named if cell}:
            profile["groups"] = groups
        if people.household is not None and (household := cells[len(people.groups)]):
            profile["household"] = household
        return profile


def _feedback(
    row: int, message: str, who: str, when: str, fields: dict[str, Any]
) -> dict[str, Any]:
    return {"id": f"f-{row}", "message": message, "person": who, "at": when, **fields}


def _message(row: int, number: int) -> str:
    """Name a candidate after its row; of several in one row the later ones get a number."""
    return f"m-{row}" if number == 1 else f"m-{row}-{number}"


def _found(file: str, folders: tuple[Path, ...]) -> Path:
    for folder in folders:
        if (path := folder / file).exists():
            return path
    return folders[0] / file

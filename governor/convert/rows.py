"""One row of an export: whose it is, when it happened and what it becomes."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import ValidationError

from governor.codec.rejected import invalid
from governor.convert.mapping import SAMPLE, SHAPES, Map, Row, column_of
from governor.core.instant import SECOND, format_instant, format_second, from_datetime
from governor.core.model import PERSON_BYTES
from governor.core.places import zone_named

MOST_CONTACTS = 1_000
_TIMES = frozenset({"not_before", "expires_at", "offer_ends_at", "until"})

Cells = tuple[str, ...]


class Record(NamedTuple):
    """What a row becomes; `kind` is the index of the map's entry, None for a row passed over.

    `moments` (ms) are those of its contacts, or of the row itself.
    """

    person: str
    kind: int | None
    moments: list[int]
    cells: Cells
    responded: bool


class RowReader:
    """Reads the cells of rows as a map says; each ValueError says what is wrong with a row."""

    def __init__(self, mapping: Map) -> None:
        """Find out which columns are needed."""
        self._map = mapping
        self.columns = _columns(mapping)
        self._place = {name: index for index, name in enumerate(self.columns)}
        self._picks = [[self._place[name] for name in _picked(row)] for row in mapping.rows]
        self._wanted = [
            [(self._place[name], known) for name, known in row.when.items()] for row in mapping.rows
        ]
        self._kinds = [row.kind for row in mapping.rows]
        self._read_time = time_reader(mapping)
        self.fields = lru_cache(maxsize=10_000)(self._fields)

    def read(self, cells: list[str]) -> Record:
        """Read one row."""
        who = person(cells[self._place[self._map.person]])
        kind = self._kind(cells)
        if kind is None:
            return Record(who, None, self._moment(cells), (), False)
        picked = tuple([cells[at] for at in self._picks[kind]])
        self.fields(kind, picked)
        if self._kinds[kind] != "candidate":
            return Record(who, kind, self._moment(cells), picked, False)
        return Record(who, kind, self._contacts(cells), picked, self._responded(cells))

    def time(self, column: str, cell: str) -> int:
        """Read the time in a cell."""
        try:
            return self._read_time(cell.strip())
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{column}: {_told(error, cell)}") from None

    def _kind(self, cells: list[str]) -> int | None:
        for index, wanted in enumerate(self._wanted):
            for at, known in wanted:
                if cells[at] not in known:
                    break
            else:
                return index
        return None

    def _moment(self, cells: list[str]) -> list[int]:
        column = self._map.time.column
        return [] if column is None else [self.time(column, cells[self._place[column]])]

    def _contacts(self, cells: list[str]) -> list[int]:
        if self._map.dates is not None:
            held = [(name, cells[self._place[name]]) for name in self._map.dates]
            return sorted(self.time(name, cell) for name, cell in held if cell.strip())
        moments, repeat = self._moment(cells), self._map.repeat
        if repeat is None:
            return moments
        written = cells[self._place[repeat.column]].strip()
        if not (written.isascii() and written.isdigit()) or int(written[:9]) > MOST_CONTACTS:
            raise ValueError(f"{repeat.column}: is no whole number from 0 to {MOST_CONTACTS}")
        return [moments[0] + number * repeat.every for number in range(int(written))]

    def _responded(self, cells: list[str]) -> bool:
        response = self._map.response
        if response is None:
            return False
        return cells[self._place[response.column]].strip().lower() in response.values

    def _fields(self, kind: int, cells: Cells) -> dict[str, Any]:
        """Return what `set` comes to for these cells; the same for each row that has them."""
        row, shape = self._map.rows[kind], SHAPES[self._kinds[kind]]
        held = dict(zip(_picked(row), cells, strict=True))
        fields = {}
        for name, value in row.set.items():
            column = column_of(value)
            if column is None:
                fields[name] = value
            elif held[column].strip():
                fields[name] = self._typed(name, column, held[column])
        try:
            shape.model_validate({**SAMPLE, **fields})
        except ValidationError as error:
            raise ValueError(invalid(row.kind, error, fields).detail) from None
        return fields

    def _typed(self, name: str, column: str, cell: str) -> Any:
        if name in _TIMES:
            return rfc3339(self.time(column, cell))
        if name in ("priority", "value"):
            try:
                return int(cell) if name == "priority" else float(cell)
            except ValueError:
                raise ValueError(f"{column}: is no number") from None
        return cell


def person(cell: str) -> str:
    """Read who a row is about."""
    if not cell:
        raise ValueError("names no person")
    if len(cell.encode()) > PERSON_BYTES:
        raise ValueError(f"the person is longer than {PERSON_BYTES} bytes")
    return cell


@lru_cache(maxsize=1_000)
def rfc3339(at: int) -> str:
    """Write *at* (ms) without a fraction when it is a whole second."""
    return format_instant(at) if at % SECOND else format_second(at)


def time_reader(mapping: Map) -> Callable[[str], int]:
    """Return the function that reads times as the map says; it raises ValueError."""
    shape = mapping.time.format
    named = mapping.time.zone
    zone: tzinfo | None = UTC if named == "UTC" else (zone_named(named) if named else None)

    # The rows of an export come in runs of one time.
    @lru_cache(maxsize=1_000)
    def read(text: str) -> int:
        moment = datetime.strptime(text, shape) if shape else datetime.fromisoformat(text)  # noqa: DTZ007
        if moment.tzinfo is None:
            if zone is None:
                raise _NoZoneError
            moment = moment.replace(tzinfo=zone)
        return from_datetime(moment)

    return read


class _NoZoneError(ValueError):
    pass


def _told(error: Exception, cell: str) -> str:
    if isinstance(error, _NoZoneError):
        return "has no zone, name one in the map with `time.zone`"
    return f"`{cell[:40]}` is no time as the map describes it" if cell.strip() else "is empty"


def _picked(row: Row) -> list[str]:
    return [name for value in row.set.values() if (name := column_of(value)) is not None]


def _columns(mapping: Map) -> list[str]:
    wanted = [mapping.person, *(mapping.dates or ())]
    sections = (mapping.time, mapping.repeat, mapping.response)
    wanted += [one.column for one in sections if one is not None and one.column is not None]
    for row in mapping.rows:
        wanted += [*row.when, *_picked(row)]
    return list(dict.fromkeys(wanted))

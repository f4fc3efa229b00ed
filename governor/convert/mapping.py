"""What the columns of an export mean, as ops write it in MAP.yaml."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError, create_model

from governor.config.defects import Defect
from governor.config.words import in_words, placed
from governor.config.yaml_tree import bounded, plain, read_tree
from governor.convert.table import InputInvalid
from governor.core import form, model
from governor.core.places import zone_named
from governor.core.policy.values import (
    Duration,
    DurationOrZero,
    Flaw,
    Name,
    Purpose,
    Section,
    listed,
    quoted,
    suggestion,
)

RowKind = Literal["candidate", "feedback", "consent"]

SHAPES: dict[str, type[model.Wire]] = {
    "candidate": form.Candidate,
    "feedback": model.Feedback,
    "consent": model.ConsentChange,
}
SAMPLE = {
    "id": "x",
    "person": "x",
    "message": "x",
    **dict.fromkeys(("at", "created_at"), "2000-01-01T00:00:00Z"),
}

_GIVEN = {*SAMPLE, "variants"}
_NEEDED = {
    "candidate": ("campaign", "category", "channel"),
    "feedback": ("kind",),
    "consent": ("action", "purpose"),
}
_NOT_ASKED = [kind for kind in get_args(RowKind) if kind != "candidate"]
_LARGEST = 1 << 20


def _texts(written: object) -> object:
    """Take numbers and truth values as they would stand in a cell."""
    values = listed(written) if not isinstance(written, bool) else [written]
    if not isinstance(values, list):
        return values
    return [
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int | float)
        else value
        for value in values
    ]


Cells = Annotated[frozenset[str], Field(min_length=1, strict=False), BeforeValidator(_texts)]
Columns = Annotated[tuple[Name, ...], Field(min_length=1, strict=False), BeforeValidator(listed)]


def settable(kind: str) -> set[str]:
    """List what `set` may name for this *kind* of row."""
    names = set(SHAPES[kind].model_fields)
    if kind == "candidate":
        names |= set(form.Variant.model_fields)
    return names - _GIVEN


def column_of(value: object) -> str | None:
    """Return the column that a value of `set` is read from, None for a value of its own."""
    if isinstance(value, Mapping) and set(value) == {"column"}:
        return str(value["column"])
    return None


class Time(Section):
    """When a row happened."""

    column: Name | None = Field(
        default=None, description="The column with the time; absent only beside `dates`."
    )
    zone: Name | None = Field(
        default=None, description="Read times without an offset in this zone, as `Europe/Berlin`."
    )
    format: Name | None = Field(
        default=None, description="How times are written, as strptime has it. Default: ISO 8601."
    )

    @classmethod
    def flaws(cls, written: Mapping[str, Any]) -> Iterator[Flaw]:
        """Refuse a zone that does not exist."""
        zone = written.get("zone")
        if isinstance(zone, str) and zone and zone_named(zone) is None:
            yield ("zone",), f"{quoted(zone)} is no time zone"


class _RowParts(Section):
    when: Mapping[Name, Cells] = Field(
        default={}, description="Only rows with one of these values in each of these columns."
    )
    set: Mapping[Name, Any] = Field(
        default={}, description="The fields, each a value or `{column: name}`."
    )
    of: Literal["last_candidate"] | None = Field(
        default=None, description="Feedback belongs to the person's last candidate before it."
    )

    @property
    def kind(self) -> str:
        """Tell what the row becomes."""
        return str(getattr(self, "as"))

    @classmethod
    def flaws(cls, written: Mapping[str, Any]) -> Iterator[Flaw]:
        """Hold `set` to what the kind of row has."""
        kind, fields = written.get("as"), written.get("set", {})
        if not isinstance(kind, str) or kind not in SHAPES or not isinstance(fields, Mapping):
            return
        if kind == "feedback" and "of" not in written:
            yield (), "`of` is missing, feedback needs `of: last_candidate`"
        if kind != "feedback" and "of" in written:
            yield ("of",), f"`of` has no meaning for a {kind}, leave it out"
        known = settable(kind)
        for name in fields:
            if name not in known:
                yield ("set", str(name)), f"unknown field{suggestion(name, known)}"
        for name in _NEEDED[kind]:
            if name not in fields:
                yield ("set",), f"`{name}` is missing, a {kind} needs one"
        yield from _constants(kind, fields)


def _constants(kind: str, fields: Mapping[str, Any]) -> Iterator[Flaw]:
    """Find values of `set` that no row could be right with."""
    own = {name: value for name, value in fields.items() if column_of(value) is None}
    columns = dict.fromkeys(fields.keys() - own.keys(), "x")
    try:
        SHAPES[kind].model_validate({**SAMPLE, **columns, **own})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            place, message = in_words(detail)
            place = place[2:] if place[:2] == ("variants", 0) else place
            if place and place[0] in own:
                yield ("set", *place), message


if TYPE_CHECKING:
    Row = _RowParts
else:  # `as` is a word of Python: no class can name it in its body
    Row = create_model(
        "Row",
        __base__=_RowParts,
        __doc__="What some of the rows become.",
        **{"as": (RowKind, Field(description="`candidate`, `feedback` or `consent`."))},
    )


class AssumedConsent(Section):
    """The grant that the export does not hold."""

    purpose: Purpose = Field(description="What everybody is taken to have agreed to.")
    basis: model.Basis = Field(description="On which ground, as `consent`.")
    before: DurationOrZero = Field(description="That long before the person's first row.")


class Assume(Section):
    """What the export does not say and is taken for granted."""

    consent: AssumedConsent = Field(description="A consent of every person.")


class People(Section):
    """A second file, with what is known of each person."""

    file: Name = Field(description="CSV or CSV.gz, beside the map or beside the log.")
    columns: Columns | None = Field(
        default=None, description="The names of its columns, where it has no header."
    )
    person: Name = Field(description="The column that names the person.")
    groups: Annotated[tuple[Name, ...], Field(strict=False), BeforeValidator(listed)] = Field(
        default=(), description="Columns that put people into groups."
    )
    household: Name | None = Field(default=None, description="The column of the household.")
    created: Name | None = Field(
        default=None,
        description="The column with the time since when this is known. Absent: before all rows.",
    )

    @property
    def named(self) -> list[str]:
        """List the columns that are read."""
        optional = [name for name in (self.household, self.created) if name is not None]
        return [self.person, *self.groups, *optional]

    @classmethod
    def flaws(cls, written: Mapping[str, Any]) -> Iterator[Flaw]:
        """Find columns that `columns` does not name, and a way out of the folder."""
        file = written.get("file")
        if isinstance(file, str) and ".." in PurePath(file).parts:
            yield ("file",), f"{quoted(file)} leads out of the folder, put it beside the map"
        columns = written.get("columns")
        if not isinstance(columns, list):
            return
        for key in ("person", "household", "created"):
            name = written.get(key)
            if isinstance(name, str) and name not in columns:
                yield (key,), f"{quoted(name)} is not among `columns`"
        groups = listed(written.get("groups"))
        for at, name in enumerate(groups if isinstance(groups, list) else []):
            if isinstance(name, str) and name not in columns:
                yield ("groups", at), f"{quoted(name)} is not among `columns`"


class Repeat(Section):
    """A row that stands for several contacts."""

    column: Name = Field(description="The column with their number.")
    every: Duration = Field(description="This long after each other, the first at the row's time.")


class Response(Section):
    """What came of the contacts of a row."""

    column: Name = Field(description="The column that tells whether the person responded.")
    values: Cells = Field(
        default=frozenset({"yes", "y", "true", "1"}),
        description="What it says of those who did, in small letters. Default: yes, y, true, 1.",
    )
    kind: model.FeedbackKind = Field(
        default="converted", description="The feedback that this is. Default: `converted`."
    )


class Map(Section):
    """What the columns of an export mean."""

    time: Time = Field(description="When a row happened.")
    person: Name = Field(description="The column that names the person.")
    rows: Annotated[tuple[Row, ...], Field(min_length=1, strict=False)] = Field(
        description="What rows become: the first entry that fits counts, others are passed over."
    )
    assume: Assume | None = Field(default=None, description="What the export does not say.")
    people: People | None = Field(default=None, description="What is known of the people.")
    repeat: Repeat | None = Field(default=None, description="For rows of several contacts.")
    dates: Columns | None = Field(
        default=None, description="One contact for each of these columns that holds a time."
    )
    response: Response | None = Field(default=None, description="What came of the contacts.")

    @classmethod
    def flaws(cls, written: Mapping[str, Any]) -> Iterator[Flaw]:
        """Find what the sections say against each other."""
        if "repeat" in written and "dates" in written:
            yield ("dates",), "`dates` cannot stand beside `repeat`"
        time = written.get("time")
        if not isinstance(time, Mapping) or "column" in time:
            return
        if "dates" not in written:
            yield ("time",), "`column` is missing"
        rows = written.get("rows")
        for at, row in enumerate(rows if isinstance(rows, list) else []):
            if isinstance(row, Mapping) and row.get("as") in _NOT_ASKED:
                yield ("rows", at), f"a {row['as']} needs `time.column`"


def load_map(path: Path) -> Map:
    """Read MAP.yaml; InputInvalid names every defect with its line."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or "it is away").lower()
        raise InputInvalid([Defect(name, 0, f"cannot be read: {reason}")]) from None
    except UnicodeDecodeError:
        raise InputInvalid([Defect(name, 0, "is no UTF-8 text")]) from None
    if len(data) > _LARGEST:
        raise InputInvalid([Defect(name, 0, "is larger than 1 MiB")])
    tree, defects = read_tree(text, name)
    if tree is None or not isinstance(tree.value, dict):
        raise InputInvalid(defects or [Defect(name, 1, "a map has keys, begin with `time:`")])
    defects += bounded(tree)
    if not defects:
        try:
            return Map.model_validate(plain(tree))
        except ValidationError as error:
            flaws = [in_words(detail) for detail in error.errors(include_url=False)]
            defects = [placed(tree, flaw) for flaw in flaws]
    raise InputInvalid(defects)

"""The small values a policy is written in: names, durations, windows and what an entry matches."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from governor.core.instant import DAY, HOUR, MINUTE, SECOND

Place = tuple[str | int, ...]
Flaw = tuple[Place, str]

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,12})([smhd])")
_SHOWN = 60
_MOST_LISTED, _MOST_COMPARED = 20, 1_000
_LONGEST = 36_500 * DAY
_CALENDAR = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 31 * DAY}
_KNOWN_TYPES = frozenset(get_args(ErrorType))


def wrong(message: str) -> PydanticCustomError:
    """Build the error of one value, in words that ops read."""
    return PydanticCustomError("policy", "{text}", {"text": message})


def suggestion(written: object, known: Iterable[str]) -> str:
    """Offer the nearest known name, or all of them when none is near and they are few."""
    names = sorted(known)
    if len(names) > _MOST_COMPARED:
        return ""
    near = difflib.get_close_matches(str(written).lower(), names, n=1, cutoff=0.6)
    if near:
        return f", did you mean `{near[0]}`?"
    if not 0 < len(names) <= _MOST_LISTED:
        return ""
    return ", known: " + ", ".join(f"`{name}`" for name in names)


def milliseconds(written: object) -> int:
    """Read `30s 15m 24h 7d` as milliseconds."""
    found = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise wrong(f"`{written}` is no duration, write a number with s, m, h or d, as `24h`")
    length = int(found[1]) * _UNITS[found[2]]
    if length > _LONGEST:
        raise wrong(f"`{written}` is longer than 36500d")
    return length


def _more_than_nothing(written: object) -> int:
    length = milliseconds(written)
    if length == 0:
        raise wrong(f"`{written}` is no time at all, write at least `1s`")
    return length


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which something is counted; `ms` is 0 for calendar windows."""

    kind: Literal["rolling", "hour", "day", "week", "month"]
    ms: int
    text: str

    @property
    def longest(self) -> int:
        """The most milliseconds that this window can reach back."""
        return self.ms or _CALENDAR[self.kind]


def window_of(written: object) -> Window:
    """Read `24h` as a rolling window and `calendar week` as one of the person's calendar."""
    if isinstance(written, Window):
        return written
    text = str(written)
    match text.split(" "):
        case ["calendar", ("hour" | "day" | "week" | "month") as kind]:
            return Window(kind, 0, text)
    if not isinstance(written, str) or _DURATION.fullmatch(written) is None:
        raise wrong(
            f"{quoted(written)} is no window, write such as `24h`, `7d`, `calendar day`, "
            "`calendar week`"
        )
    return Window("rolling", _more_than_nothing(written), text)


def _shaped(pattern: str, words: str) -> AfterValidator:
    def check(written: str) -> str:
        if re.fullmatch(pattern, written) is None:
            raise wrong(f"{quoted(written)} {words}")
        return written

    return AfterValidator(check)


def listed(written: object) -> object:
    """Take one value for a list of one."""
    return [written] if isinstance(written, str | int | float) else written


_ANY_LENGTH = {"type": "string", "pattern": "^[0-9]{1,12}[smhd]$", "examples": ["0s", "10m"]}
_SOME_LENGTH = {
    "type": "string",
    "pattern": "^0*[1-9][0-9]{0,11}[smhd]$",
    "examples": ["24h", "7d"],
}
_WINDOW_SCHEMA = {
    "type": "string",
    "pattern": "^(0*[1-9][0-9]{0,11}[smhd]|calendar (hour|day|week|month))$",
    "examples": ["24h", "7d", "calendar day", "calendar week"],
}

Duration = Annotated[
    int,
    BeforeValidator(_more_than_nothing),
    WithJsonSchema(_SOME_LENGTH, mode="validation"),
]
DurationOrZero = Annotated[
    int,
    BeforeValidator(milliseconds),
    WithJsonSchema(_ANY_LENGTH, mode="validation"),
]
SomeWindow = Annotated[
    Window,
    BeforeValidator(window_of),
    WithJsonSchema(_WINDOW_SCHEMA, mode="validation"),
]
Id = Annotated[
    str,
    _shaped("[a-z0-9._-]{1,64}", "may hold only a-z, 0-9, dots, dashes, underscores, at most 64"),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9._-]{1,64}$"}),
]
Country = Annotated[
    str,
    _shaped("[A-Z]{2}", "is no country, write its two capital letters, as `DE`"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"}),
]
Purpose = Annotated[
    str,
    _shaped("[^*]{1,256}", "is no purpose, name one, as `marketing`"),
    WithJsonSchema({"type": "string", "pattern": "^[^*]{1,256}$"}),
]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Depth = Annotated[int, Field(ge=0, le=5)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]

_NAMES_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}
Names = Annotated[
    frozenset[Name],
    Field(min_length=1, strict=False),
    BeforeValidator(listed),
    PlainSerializer(sorted, return_type=list[str]),
    WithJsonSchema(_NAMES_SCHEMA, mode="validation"),
]


class Section(BaseModel):
    """A part of the policy: frozen, with no unknown keys, and all its defects named at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def flaws(cls, _written: Mapping[str, Any], /) -> Iterator[Flaw]:
        """Name what no single key shows, from the section as it was written."""
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            shown = "is empty" if data is None else f"{quoted(data)} has no keys"
            raise wrong(f"{shown}, write `key: value`")
        known = {key: value for key, value in data.items() if key in cls.model_fields}
        found = [*_odd_keys(data, cls.model_fields), *cls.flaws(known)]
        empty = {(key,) for key, value in data.items() if value is None}
        try:
            made = handler({key: value for key, value in known.items() if value is not None})
        except ValidationError as error:
            raise _joined(cls.__name__, error, found, empty) from None
        if found:
            raise _joined(cls.__name__, None, found, empty)
        return made


def quoted(written: object) -> str:
    """Show what was written, in backticks and cut short."""
    if written is None:
        return "nothing"
    text = "true" if written is True else "false" if written is False else str(written)
    if isinstance(written, Mapping):
        text = "{...}"
    elif isinstance(written, list | tuple):
        text = "[...]"
    return f"`{text[:_SHOWN]}...`" if len(text) > _SHOWN else f"`{text}`"


def _odd_keys(data: Mapping[Any, Any], fields: Iterable[str]) -> Iterator[Flaw]:
    names = tuple(fields)
    for key, value in data.items():
        place: Place = (key if isinstance(key, str) else str(key),)
        if key not in names:
            yield place, f"unknown key{suggestion(key, names)}"
        elif value is None:
            yield place, "has no value, write one or leave the key out"


def _joined(
    title: str,
    error: ValidationError | None,
    found: Iterable[Flaw],
    empty: set[tuple[Any, ...]],
) -> ValidationError:
    lines: list[InitErrorDetails] = []
    for detail in error.errors(include_url=False) if error else ():
        if detail["type"] == "missing" and detail["loc"] in empty:
            continue
        known = detail["type"] in _KNOWN_TYPES
        line = InitErrorDetails(
            type=detail["type"] if known else wrong(detail["msg"]),
            loc=detail["loc"],
            input=detail["input"],
        )
        if known and "ctx" in detail:
            line["ctx"] = detail["ctx"]
        lines.append(line)
    lines += [InitErrorDetails(type=wrong(text), loc=at, input=None) for at, text in found]
    return ValidationError.from_exception_data(title, lines)


class Match(Section):
    """Which messages an entry is about; what is absent matches everything."""

    category: Names | None = Field(
        default=None, description="Only these categories; absent: every category."
    )
    campaign: Names | None = Field(
        default=None, description="Only these campaigns; absent: every campaign."
    )
    channel: Names | None = Field(
        default=None, description="Only these channels; absent: every channel."
    )
    topic: Names | None = Field(
        default=None,
        description="Only messages on these topics; absent: every topic, and those without one.",
    )

    def accepts(self, category: str, campaign: str, channel: str, topic: str | None) -> bool:
        """Tell whether a message of this kind is meant."""
        return (
            (self.category is None or category in self.category)
            and (self.campaign is None or campaign in self.campaign)
            and (self.channel is None or channel in self.channel)
            and (self.topic is None or topic in self.topic)
        )

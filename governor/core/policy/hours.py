"""Allowed hours: the days and times of the person's own clock at which a message may arrive."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails

from governor.core.policy.values import Flaw, quoted, wrong

Span = tuple[int, int]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_SPAN_PATTERN = "([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
_HOURS_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": f"^(none|{_SPAN_PATTERN})$"},
        {"type": "array", "items": {"type": "string", "pattern": f"^{_SPAN_PATTERN}$"}},
    ]
}
_ALLOW_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "patternProperties": {
        f"^({_DAY}(-{_DAY})?)(, *{_DAY}(-{_DAY})?)*$": _HOURS_SCHEMA,
        "^holiday$": _HOURS_SCHEMA,
    },
    "additionalProperties": False,
    "examples": [{"mon-sat": "08:00-21:00", "sun": "12:00-20:00", "holiday": "none"}],
}


@dataclass(frozen=True, slots=True)
class Allow:
    """Open spans per weekday, Monday first, in minutes of the local day, the end excluded."""

    days: tuple[tuple[Span, ...], ...]
    holiday: tuple[Span, ...] | None


def days_of(key: str) -> list[int]:
    """Read `mon`, `mon-sat` or `mon,wed` as weekdays, 0 for Monday; ranges may run past Sunday."""
    found: list[int] = []
    for part in key.split(","):
        first, dash, last = part.strip().partition("-")
        if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
            raise ValueError(key)
        start = WEEKDAYS.index(first)
        length = (WEEKDAYS.index(last) - start) % 7 if dash else 0
        found += [(start + step) % 7 for step in range(length + 1)]
    return found


def span_of(written: object) -> Span:
    """Read `08:00-21:00` as minutes of the day, the end excluded."""
    found = _SPAN.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise ValueError(f"{quoted(written)} are no hours, write `none` or such as `08:00-21:00`")
    start = int(found[1]) * 60 + int(found[2])
    end = int(found[3]) * 60 + int(found[4]) if found[3] else 1440
    if end <= start:
        raise ValueError(
            f"{quoted(written)} ends before it starts, past midnight is two entries on two days"
        )
    return start, end


def spans_of(written: object) -> tuple[Span, ...]:
    """Read the hours of a day: `none`, a span or several; they may touch but not overlap."""
    if written == "none":
        return ()
    spans = sorted(span_of(part) for part in (written if isinstance(written, list) else [written]))
    joined: list[Span] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            raise ValueError(f"hours overlap at {start // 60:02}:{start % 60:02}")
        if joined and start == joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def allow_of(written: object) -> Allow:
    """Read allowed hours, each weekday exactly once."""
    if isinstance(written, Allow):
        return written
    if not isinstance(written, Mapping):
        raise wrong(f'{quoted(written)} has no days, write such as `mon-sun: "08:00-21:00"`')
    reading = _Reading()
    flaws = list(reading.flaws(written))
    if flaws:
        raise ValidationError.from_exception_data(
            "Allow",
            [InitErrorDetails(type=wrong(text), loc=at, input=None) for at, text in flaws],
        )
    return Allow(tuple(reading.days[day] for day in range(7)), reading.holiday)


class _Reading:
    def __init__(self) -> None:
        self.days: dict[int, tuple[Span, ...]] = {}
        self.holiday: tuple[Span, ...] | None = None

    def flaws(self, written: Mapping[Any, Any]) -> Iterator[Flaw]:
        for key, value in written.items():
            name = str(key)
            try:
                days = None if name == "holiday" else days_of(name)
            except ValueError:
                yield (
                    (name,),
                    "unknown day, write `mon`..`sun`, `mon-sat`, `mon,wed` or `holiday`",
                )
                continue
            yield from self._hours(name, days, value)
        missing = [WEEKDAYS[day] for day in range(7) if day not in self.days]
        if missing:
            named = ", ".join(f"`{day}`" for day in missing)
            yield (
                (),
                f"no hours for {named}, write `none` to allow none",
            )

    def _hours(self, name: str, days: list[int] | None, value: object) -> Iterator[Flaw]:
        spans: tuple[Span, ...] = ()
        try:
            spans = spans_of(value)
        except ValueError as error:
            yield (name,), str(error)
        if days is None:
            self.holiday = spans
        for day in days or ():
            if day in self.days:
                yield (name,), f"`{WEEKDAYS[day]}` is there twice"
            self.days[day] = spans


AllowedHours = Annotated[
    Allow, BeforeValidator(allow_of), WithJsonSchema(_ALLOW_SCHEMA, mode="validation")
]

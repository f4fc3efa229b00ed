"""Times, zones, holidays and allowed hours, read off the wall clock one instant at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ANYWHERE = [
    f"{'-' if half < 0 else '+'}{abs(half) // 2:02d}:{abs(half) % 2 * 30:02d}"
    for half in range(-24, 29)
]
UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
Ranges = tuple[tuple[int, int], ...]


def parse_time(text: Any) -> int:
    """Read an RFC 3339 time with a zone as milliseconds; raise ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError("not a time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError("a time without a zone")
    return (moment - EPOCH) // timedelta(milliseconds=1)


def show_time(at: int | None) -> str | None:
    """Write milliseconds as RFC 3339 in UTC, milliseconds only where there are some."""
    if at is None:
        return None
    moment = EPOCH + timedelta(milliseconds=at)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at % 1000:03d}Z" if at % 1000 else f"{text}Z"


def duration(text: str) -> int:
    """Read `30s`, `15m`, `24h` or `7d` as milliseconds."""
    return int(text[:-1]) * UNITS[text[-1]]


def ceil_second(at: int) -> int:
    """Round up to the whole second."""
    return -(-at // SECOND) * SECOND


@lru_cache(None)
def country_zones(country: str) -> tuple[str, ...]:
    """All zones that zone.tab gives a country, none for a country it does not know."""
    path = Path("/usr/share/zoneinfo/zone.tab")
    text = (
        path.read_text() if path.exists() else (files("tzdata") / "zoneinfo/zone.tab").read_text()
    )
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return tuple(sorted(row[2] for row in rows if row[0] == country))


@lru_cache(None)
def zone(name: str) -> tzinfo:
    """The zone of that name, or the offset that the name spells out."""
    if name in ANYWHERE:
        return timezone(datetime.strptime(name, "%z").utcoffset() or timedelta(0))
    return ZoneInfo(name)


@lru_cache(200_000)
def local(name: str, at: int) -> datetime:
    """The wall clock in a zone at an instant."""
    return (EPOCH + timedelta(milliseconds=at)).astimezone(zone(name))


@lru_cache(None)
def _holidays_of(country: str, region: str | None) -> Any:
    known = holidays.list_supported_countries()
    if country not in known:
        return {}
    subdivision = region if region in known[country] else None
    return holidays.country_holidays(country, subdiv=subdivision)


@lru_cache(None)
def is_holiday(country: str | None, region: str | None, day: date) -> bool:
    """Whether the day is a public holiday there, observed days included."""
    return country is not None and day in _holidays_of(country, region)


def calendar_key(unit: str, name: str, at: int) -> tuple[Any, ...]:
    """What two instants have in common exactly when they lie in the same calendar window."""
    wall = local(name, at)
    if unit == "hour":
        return (wall.date(), wall.hour, wall.utcoffset())
    if unit == "day":
        return (wall.date(),)
    if unit == "week":
        return (wall.date() - timedelta(days=wall.weekday()),)
    if unit == "month":
        return (wall.year, wall.month)
    raise ValueError(f"no calendar window `{unit}`")


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _ranges(value: Any) -> Ranges:
    if value == "none" or value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    pairs = [text.split("-") for text in texts]
    return tuple((_minutes(start), _minutes(end)) for start, end in pairs)


def _days(key: str) -> Iterable[str]:
    for part in key.replace(" ", "").split(","):
        if "-" in part:
            first, last = (DAYS.index(day) for day in part.split("-"))
            yield from DAYS[first : last + 1]
        else:
            yield part


def parse_allow(allow: dict[str, Any]) -> dict[str, Ranges]:
    """Spell an `allow` map out: one entry for each day, and `holiday` where it is there."""
    return {day: _ranges(value) for key, value in allow.items() for day in _days(str(key))}


def is_allowed(
    hours: dict[str, Ranges], name: str, country: str | None, region: str | None, at: int
) -> bool:
    """Whether the wall clock of a zone stands inside the allowed hours of its day."""
    wall = local(name, at)
    day = DAYS[wall.weekday()]
    if "holiday" in hours and is_holiday(country, region, wall.date()):
        day = "holiday"
    since_midnight = (wall.hour * 60 + wall.minute) * MINUTE + wall.second * SECOND + at % SECOND
    return any(start * MINUTE <= since_midnight < end * MINUTE for start, end in hours[day])


@lru_cache(None)
def _instants(name: str, day: date, minute: int) -> tuple[int, ...]:
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
    both = [naive.replace(tzinfo=zone(name), fold=fold) for fold in (0, 1)]
    return tuple((moment.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1) for moment in both)


@lru_cache(None)
def _shifts(name: str, day: date) -> tuple[int, ...]:
    start = (datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH) // timedelta(
        milliseconds=1
    )
    if local(name, start).utcoffset() == local(name, start + DAY).utcoffset():
        return ()
    minutes = range(start + MINUTE, start + DAY + 1, MINUTE)
    return tuple(
        at for at in minutes if local(name, at).utcoffset() != local(name, at - MINUTE).utcoffset()
    )


def wall_instants(names: Iterable[str], minutes: Iterable[int], start: int, end: int) -> set[int]:
    """Every instant in a span at which a clock in one of the zones shows one of the minutes.

    Both readings of a doubled hour are in it, and every shift of the clock itself.
    """
    wanted = sorted(set(minutes))
    first = (EPOCH + timedelta(milliseconds=start)).date() - timedelta(days=1)
    count = (end - start) // DAY + 4
    found: set[int] = set()
    for name in names:
        for day in (first + timedelta(days=offset) for offset in range(count)):
            found.update(_shifts(name, day))
            for minute in wanted:
                found.update(_instants(name, day, minute))
    return {at for at in found if start < at <= end}

"""Moments in time: RFC 3339 text on the wire, whole milliseconds since the epoch (UTC) inside."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_REMEMBERED, _REMEMBERED_LENGTH = 2_048, 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONELESS = _EPOCH.replace(tzinfo=None)
_MILLISECOND = timedelta(milliseconds=1)
# People write the end of the calendar for `for ever`, and its beginning for `never`. Held this far
# away from both, windows, hours and zones can still be reckoned with any moment.
_LATEST = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_SHAPE = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
).fullmatch


def parse_instant(text: object) -> int:
    """Read RFC 3339 *text* with a zone; a finer fraction than a millisecond is cut off.

    What lies before 1970 or after the year 8999 is held to these. Raises ValueError, in words
    meant for the sender, for anything else.
    """
    if not isinstance(text, str):
        raise ValueError("must be a time as text, such as 2026-05-05T10:00:00Z")
    # A campaign's messages share their times.
    return _parsed(text) if len(text) <= _REMEMBERED_LENGTH else _parsed.__wrapped__(text)


@lru_cache(_REMEMBERED)
def _parsed(text: str) -> int:
    if _SHAPE(text) is None:
        raise ValueError(f"`{text[:40]}` is no time with a zone, such as 2026-05-05T10:00:00Z")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        if (after := _leap_second(text)) is not None:
            return after
        raise ValueError(f"`{text[:40]}` is not a moment of the calendar") from None
    at = from_datetime(moment)
    return at if 0 <= at <= _LATEST else min(max(at, 0), _LATEST)


def _leap_second(text: str) -> int | None:
    """Read *text* as a second that is put in before midnight UTC: it is that midnight's first."""
    if text[14:19] != "59:60":
        return None
    at = _parsed(f"{text[:17]}59{text[19:]}") + SECOND
    return at if at % DAY < SECOND else None


def from_datetime(moment: datetime) -> int:
    """Return the millisecond that *moment* (with a zone) falls into."""
    return (moment - _EPOCH) // _MILLISECOND


def to_datetime(at: int) -> datetime:
    """Return *at* as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=at)


@lru_cache(_REMEMBERED)  # many messages of a batch end, or are judged, at the same moment
def format_instant(at: int) -> str:
    """Write *at* to the millisecond."""
    return (_ZONELESS + timedelta(milliseconds=at)).isoformat(timespec="milliseconds") + "Z"


@lru_cache(_REMEMBERED)
def format_second(at: int) -> str:
    """Write *at*, which is a whole second, without a fraction."""
    return (_ZONELESS + timedelta(milliseconds=at)).isoformat(timespec="seconds") + "Z"


def ceil_second(at: int) -> int:
    """Return the first whole second that is not before *at*."""
    return -(-at // SECOND) * SECOND


def format_length(duration: int) -> str:
    """Write a duration as the policy does, in its largest whole unit; one day is `24h`."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if duration and duration % size == 0 and (size, duration) != (DAY, DAY):
            return f"{duration // size}{unit}"
    return f"{duration // SECOND}s"

"""The person's calendar: local days, calendar windows and allowed hours, daylight saving included.

Everything is answered in milliseconds UTC. A person may have several plausible zones; then the
strictest counts, which is for the callers to combine.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache, partial

import msgspec

from governor.core.instant import DAY, HOUR, MINUTE, SECOND
from governor.core.lasting import Lasting, Spell
from governor.core.places import ANYWHERE, holidays_of, zone_named, zones_of_place
from governor.core.policy import Allow, Defaults
from governor.core.standing import Profile

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_HORIZON_DAYS = 400
NEVER = 2**62
"""When open hours end that never do."""
_WHOLE_DAY = ((0, DAY // MINUTE),)


class Place(msgspec.Struct, frozen=True, cache_hash=True):
    """Where a person may be: every plausible zone, and whose holidays bind."""

    zones: tuple[tzinfo, ...]
    country: str | None
    region: str | None


def place_of(profile: Profile | None, defaults: Defaults) -> Place:
    """Return the place of a person, from the profile as far as it goes, then the defaults."""
    zone, country, region = (
        (profile.time_zone, profile.country, profile.region) if profile else (None, None, None)
    )
    return _place(zone, country, region, defaults.time_zone, defaults.country)


@lru_cache(maxsize=65536)
def _place(
    zone: str | None,
    country: str | None,
    region: str | None,
    default_zone: str | None,
    default_country: str | None,
) -> Place:
    zones: tuple[tzinfo, ...] = ()
    if zone and (known := zone_named(zone)):
        zones = (known,)
    if not zones and country:
        zones = zones_of_place(country, region)
    if not zones and default_zone and (known := zone_named(default_zone)):
        zones = (known,)
    if not zones and default_country:
        zones = zones_of_place(default_country, None)
    return Place(zones or ANYWHERE, country or default_country, region)


def local_date(zone: tzinfo, at: int) -> date:
    """Return the date on the wall at *at*."""
    return datetime.fromtimestamp(at // SECOND, zone).date()


def _offset(zone: tzinfo, at: int) -> int:
    moment = datetime.fromtimestamp(at // SECOND, zone)
    offset = moment.utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def _change(zone: tzinfo, start: int, end: int) -> int:
    """Return the second in (start, end] from which the offset of *end* holds.

    A zone changes with a full second, so that it is looked for among full seconds.
    """
    offset, end = _offset(zone, end), end // SECOND * SECOND
    while end - start > SECOND:
        middle = (start + end) // 2 // SECOND * SECOND
        start, end = (start, middle) if _offset(zone, middle) == offset else (middle, end)
    return end


@lru_cache(maxsize=65536)
def segments(zone: tzinfo, day: date) -> tuple[tuple[int, int, int], ...]:
    """Return the stretches (start, end, offset) of constant offset that make up local *day*."""
    naive = (day.toordinal() - _EPOCH_DAY) * DAY
    before, after = naive - 16 * HOUR, naive + 40 * HOUR
    first, last = _offset(zone, before), _offset(zone, after)
    if first == last:
        return ((naive - first, naive - first + DAY, first),)
    change = _change(zone, before, after)
    found = []
    for start, end, offset in ((before, change, first), (change, after, last)):
        clipped = max(start, naive - offset), min(end, naive - offset + DAY)
        if clipped[0] < clipped[1]:
            found.append((*clipped, offset))
    return tuple(found)


def day_start(zone: tzinfo, day: date) -> int:
    """Return the first moment of local *day*, or of the next one where the zone skipped it."""
    while not (found := segments(zone, day)):
        day += timedelta(days=1)
    return found[0][0]


def calendar_window(zone: tzinfo, kind: str, at: int) -> tuple[int, int]:
    """Return start and end of the calendar hour, day, week or month that *at* lies in."""
    if kind == "hour":
        return _hour(zone, at)
    today = local_date(zone, at)
    if kind == "day":
        first, following = today, today + timedelta(days=1)
    elif kind == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
    return day_start(zone, first), day_start(zone, following)


def windows(place: Place, kind: str, at: int) -> tuple[tuple[int, int], ...]:
    """Return the calendar window of every zone of *place* that *at* lies in."""
    return _WINDOWS[kind].at(place, at)


def _windows(kind: str, place: Place, at: int) -> Spell[tuple[tuple[int, int], ...]]:
    found = tuple(calendar_window(zone, kind, at) for zone in place.zones)
    return Spell(max(start for start, _ in found), min(end for _, end in found), found)


_WINDOWS = {
    kind: Lasting[Place, tuple[tuple[int, int], ...]](partial(_windows, kind))
    for kind in ("hour", "day", "week", "month")
}


def _hour(zone: tzinfo, at: int) -> tuple[int, int]:
    """Return the last full hour on the wall up to *at*, and the next one after it."""
    offset = _offset(zone, at)
    start = (at + offset) // HOUR * HOUR - offset
    end = start + HOUR
    before = _offset(zone, start)
    if before != offset:
        change = _change(zone, start, at)
        start = (
            change
            if (change + offset) % HOUR == 0
            else (change - 1 + before) // HOUR * HOUR - before
        )
    later = _offset(zone, end)
    if later != offset:
        change = _change(zone, at, end)
        end = -(-(change + later) // HOUR) * HOUR - later
    return start, end


@lru_cache(maxsize=65536)
def _open_spans(
    zone: tzinfo, allow: Allow, country: str | None, region: str | None, day: date
) -> tuple[tuple[int, int], ...]:
    hours = allow.days[day.weekday()]
    if (
        allow.holiday is not None
        and country is not None
        and day in holidays_of(country, region, day.year)
    ):
        hours = allow.holiday
    found = []
    for start, end, offset in segments(zone, day):
        midnight = (day.toordinal() - _EPOCH_DAY) * DAY - offset
        for opening, closing in hours:
            span = (
                max(start, midnight + opening * MINUTE),
                min(end, midnight + closing * MINUTE),
            )
            if span[0] < span[1]:
                found.append(span)
    return tuple(sorted(found))


def _next_open(zone: tzinfo, allow: Allow, place: Place, at: int) -> int | None:
    day = local_date(zone, at)
    for _ in range(_HORIZON_DAYS):
        for start, end in _open_spans(zone, allow, place.country, place.region, day):
            if at < end:
                return max(at, start)
        day += timedelta(days=1)
    return None


def next_open(allow: Allow, place: Place, at: int) -> int | None:
    """Return the first moment not before *at* that is allowed in every zone of *place*.

    None when there is none within 400 days.
    """
    if _never_opens(allow, place, at // DAY):
        return None
    return _search(allow, place, at)


@lru_cache(maxsize=4096)
def _never_opens(allow: Allow, place: Place, day: int) -> bool:
    """Tell whether a search from the start of *day* finds nothing; that takes the longest."""
    return _search(allow, place, day * DAY) is None


def _search(allow: Allow, place: Place, at: int) -> int | None:
    limit = at + _HORIZON_DAYS * DAY
    moment, agreed = at, 0
    zones = place.zones
    while agreed < len(zones):
        for zone in zones:
            found = _next_open(zone, allow, place, moment)
            if found is None or found > limit:
                return None
            agreed = agreed + 1 if found == moment else 1
            moment = found
            if agreed >= len(zones):
                break
    return moment


def is_open(allow: Allow, place: Place, at: int) -> bool:
    """Tell whether *at* is allowed in every zone of *place*."""
    return all(_next_open(zone, allow, place, at) == at for zone in place.zones)


def closes(allow: Allow, place: Place, at: int) -> int | None:
    """Return when the allowed hours that *at* lies in end, in whichever zone is first.

    None when it lies in none, or when they do not end within 400 days.
    """
    ends = [end for zone in place.zones if (end := _run_end(zone, allow, place, at)) > at]
    end = min(ends, default=NEVER)
    return None if end == NEVER else end


def _run_end(zone: tzinfo, allow: Allow, place: Place, at: int) -> int:
    """Return when the hours that *at* lies in end, `NEVER` if so, *at* when it lies in none."""
    if _never_closes(allow, place.country):
        return NEVER
    moment, day = at, local_date(zone, at)
    for _ in range(_HORIZON_DAYS):
        for start, end in _open_spans(zone, allow, place.country, place.region, day):
            if start <= moment < end:
                moment = end
            elif start > moment:
                return moment
        day += timedelta(days=1)
        if moment < day_start(zone, day):
            return moment
    return NEVER


def _never_closes(allow: Allow, country: str | None) -> bool:
    holidays = () if country is None or allow.holiday is None else (allow.holiday,)
    return all(spans == _WHOLE_DAY for spans in (*allow.days, *holidays))


def opening_at(allow: Allow, place: Place, at: int) -> Spell[int | None]:
    """Return when the allowed hours that *at* lies in end, in whichever zone is first.

    `NEVER` when they do not, None when it is closed in one of the zones. It holds until the first
    of them closes or begins another day.
    """
    until = ends = NEVER
    for zone in place.zones:
        end = _run_end(zone, allow, place, at)
        if end == at:
            return Spell(at, at, None)
        until = min(until, end, day_start(zone, local_date(zone, at) + timedelta(days=1)))
        ends = min(ends, end)
    return Spell(at, until, ends)


def date_text(place: Place, at: int) -> str:
    """Return the person's local date at *at*, in the first of their zones."""
    zone = place.zones[0] if place.zones else UTC
    return local_date(zone, at).isoformat()

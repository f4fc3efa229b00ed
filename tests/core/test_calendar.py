"""The person's calendar: where they are, their days and windows, and the hours that are allowed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.core.calendar import (
    Place,
    calendar_window,
    closes,
    date_text,
    day_start,
    is_open,
    local_date,
    next_open,
    place_of,
    segments,
    windows,
)
from governor.core.hours import Edges, Hours
from governor.core.instant import DAY, HOUR, MINUTE, SECOND, format_instant, parse_instant
from governor.core.places import ANYWHERE, holidays_of
from governor.core.policy import Allow, Defaults
from governor.core.policy.hours import allow_of
from governor.core.standing import Profile

BERLIN, NEW_YORK, KOLKATA = "Europe/Berlin", "America/New_York", "Asia/Kolkata"
LORD_HOWE, HAVANA, BEIRUT = "Australia/Lord_Howe", "America/Havana", "Asia/Beirut"
ZONES = [BERLIN, NEW_YORK, KOLKATA, LORD_HOWE, HAVANA, BEIRUT, "UTC", "Pacific/Chatham"]

NIGHTS = {"mon-sat": "08:00-21:00", "sun": "12:00-20:00"}


def ms(text: str) -> int:
    return parse_instant(text)


def allow(written: Any) -> Allow:
    return allow_of(written)


def place(*names: str, country: str | None = None, region: str | None = None) -> Place:
    return Place(tuple(ZoneInfo(name) for name in names), country, region)


def text(moment: int | None) -> str | None:
    return None if moment is None else format_instant(moment).removesuffix(".000Z")


# Where a person is.


@pytest.mark.parametrize(
    ("profile", "defaults", "zones", "country"),
    [
        ({"time_zone": KOLKATA, "country": "DE"}, {"time_zone": BERLIN}, {KOLKATA}, "DE"),
        ({"country": "DE"}, {"time_zone": KOLKATA}, {BERLIN, "Europe/Busingen"}, "DE"),
        ({"country": "US", "region": "AZ"}, {}, {"America/Phoenix", "America/Denver"}, "US"),
        ({"time_zone": "Mars/Base", "country": "DE"}, {}, {BERLIN, "Europe/Busingen"}, "DE"),
        ({"time_zone": "Mars/Base"}, {"time_zone": KOLKATA}, {KOLKATA}, None),
        ({"country": "XX"}, {"time_zone": KOLKATA, "country": "DE"}, {KOLKATA}, "XX"),
        ({}, {"time_zone": KOLKATA, "country": "DE"}, {KOLKATA}, "DE"),
        ({}, {"country": "DE"}, {BERLIN, "Europe/Busingen"}, "DE"),
        ({"time_zone": KOLKATA}, {"country": "DE"}, {KOLKATA}, "DE"),
    ],
)
def test_the_profile_says_where_a_person_is_then_its_country_then_the_defaults(
    profile: dict[str, str], defaults: dict[str, str], zones: set[str], country: str | None
) -> None:
    found = place_of(Profile(at=0, **profile), Defaults(**defaults))  # type: ignore[arg-type]
    assert {str(zone) for zone in found.zones} == zones
    assert found.country == country


def test_a_person_of_whom_nothing_is_known_may_be_anywhere() -> None:
    assert place_of(None, Defaults()).zones == ANYWHERE


# Days and windows.


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, date(2026, 5, 5), 24),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (LORD_HOWE, date(2026, 4, 5), 24.5),
        (LORD_HOWE, date(2026, 10, 4), 23.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        (HAVANA, date(2026, 3, 8), 23),
        (BEIRUT, date(2026, 10, 24), 25),
    ],
)
def test_a_day_is_as_long_as_its_clock_changes_make_it(zone: str, day: date, hours: float) -> None:
    pieces = segments(ZoneInfo(zone), day)
    assert sum(end - start for start, end, _ in pieces) == hours * HOUR


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        (BERLIN, date(2026, 5, 5), "2026-05-04T22:00:00"),
        (HAVANA, date(2026, 3, 8), "2026-03-08T05:00:00"),  # begins at one o'clock
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00"),  # was skipped
    ],
)
def test_a_day_starts_with_its_first_moment_on_the_wall(zone: str, day: date, start: str) -> None:
    assert text(day_start(ZoneInfo(zone), day)) == start


@pytest.mark.parametrize(
    ("zone", "kind", "at", "start", "end"),
    [
        (BERLIN, "hour", "2026-05-05T10:59:59.999Z", "2026-05-05T10:00:00", "2026-05-05T11:00:00"),
        (BERLIN, "hour", "2026-05-05T11:00:00Z", "2026-05-05T11:00:00", "2026-05-05T12:00:00"),
        (KOLKATA, "hour", "2026-05-05T10:00:00Z", "2026-05-05T09:30:00", "2026-05-05T10:30:00"),
        (BERLIN, "hour", "2026-03-29T00:59:00Z", "2026-03-29T00:00:00", "2026-03-29T01:00:00"),
        # The doubled hour is two hours.
        (BERLIN, "hour", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00", "2026-10-25T01:00:00"),
        (BERLIN, "hour", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00", "2026-10-25T02:00:00"),
        # Where the clock changes by half an hour, one hour is half as long again, one is shorter.
        (LORD_HOWE, "hour", "2026-04-04T14:40:00Z", "2026-04-04T14:00:00", "2026-04-04T15:30:00"),
        (LORD_HOWE, "hour", "2026-04-04T15:00:00.1Z", "2026-04-04T14:00:00", "2026-04-04T15:30:00"),
        (LORD_HOWE, "hour", "2026-04-04T15:10:00Z", "2026-04-04T14:00:00", "2026-04-04T15:30:00"),
        (LORD_HOWE, "hour", "2026-10-03T15:10:00Z", "2026-10-03T14:30:00", "2026-10-03T16:00:00"),
        (LORD_HOWE, "hour", "2026-10-03T15:40:00Z", "2026-10-03T14:30:00", "2026-10-03T16:00:00"),
        (BERLIN, "day", "2026-05-05T21:59:59Z", "2026-05-04T22:00:00", "2026-05-05T22:00:00"),
        (BERLIN, "day", "2026-05-05T22:00:00Z", "2026-05-05T22:00:00", "2026-05-06T22:00:00"),
        (BERLIN, "day", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00", "2026-03-29T22:00:00"),
        (BERLIN, "day", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),
        (BERLIN, "week", "2026-05-10T21:59:59Z", "2026-05-03T22:00:00", "2026-05-10T22:00:00"),
        (BERLIN, "week", "2026-05-10T22:00:00Z", "2026-05-10T22:00:00", "2026-05-17T22:00:00"),
        (BERLIN, "week", "2026-03-29T12:00:00Z", "2026-03-22T23:00:00", "2026-03-29T22:00:00"),
        (BERLIN, "month", "2026-02-28T22:59:59Z", "2026-01-31T23:00:00", "2026-02-28T23:00:00"),
        (BERLIN, "month", "2026-02-28T23:00:00Z", "2026-02-28T23:00:00", "2026-03-31T22:00:00"),
        (BERLIN, "month", "2026-12-31T22:59:59Z", "2026-11-30T23:00:00", "2026-12-31T23:00:00"),
        (BERLIN, "month", "2024-02-29T12:00:00Z", "2024-01-31T23:00:00", "2024-02-29T23:00:00"),
    ],
)
def test_a_calendar_window_is_that_of_the_wall(
    zone: str, kind: str, at: str, start: str, end: str
) -> None:
    window = calendar_window(ZoneInfo(zone), kind, ms(at))
    assert (text(window[0]), text(window[1])) == (start, end)


AROUND_CHANGES = st.sampled_from(
    [
        ms(moment)
        for moment in (
            "2026-03-29T01:00:00Z",
            "2026-10-25T01:00:00Z",
            "2026-03-08T07:00:00Z",
            "2026-11-01T06:00:00Z",
            "2026-04-04T15:00:00Z",
            "2026-10-03T15:30:00Z",
            "2026-03-08T05:00:00Z",
            "2026-10-24T21:00:00Z",
            "2026-12-31T23:00:00Z",
            "2026-05-31T22:00:00Z",
            "2026-04-04T14:00:00Z",
        )
    ]
)
MOMENTS = st.builds(
    lambda around, minutes, more: around + minutes * MINUTE + more,
    AROUND_CHANGES,
    st.one_of(st.just(0), st.integers(-100, 100), st.integers(-36 * 60, 36 * 60)),
    st.sampled_from([0, 0, -1, 1, 101, -899, 30 * SECOND]),
)


def wall(zone: ZoneInfo, at: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone)


@given(st.sampled_from(ZONES), st.sampled_from(["hour", "day", "week", "month"]), MOMENTS)
def test_calendar_windows_follow_each_other_and_all_of_their_moments_agree(
    name: str, kind: str, at: int
) -> None:
    zone = ZoneInfo(name)
    start, end = calendar_window(zone, kind, at)
    assert start <= at < end
    assert calendar_window(zone, kind, start) == (start, end)
    assert calendar_window(zone, kind, end - 1) == (start, end)
    assert calendar_window(zone, kind, end)[0] == end
    assert calendar_window(zone, kind, start - 1)[1] == start


@given(st.sampled_from(ZONES), MOMENTS)
def test_a_calendar_hour_lies_between_two_full_hours_on_the_wall(name: str, at: int) -> None:
    zone = ZoneInfo(name)
    start = at // MINUTE * MINUTE
    while wall(zone, start).minute:
        start -= MINUTE
    end = at // MINUTE * MINUTE + MINUTE
    while wall(zone, end).minute:
        end += MINUTE
    assert calendar_window(zone, "hour", at) == (start, end)


@given(st.sampled_from(ZONES), MOMENTS)
def test_a_calendar_day_holds_every_moment_of_its_date(name: str, at: int) -> None:
    zone = ZoneInfo(name)
    start, end = calendar_window(zone, "day", at)
    today = wall(zone, at).date()
    assert wall(zone, start).date() == wall(zone, end - 1).date() == today == local_date(zone, at)
    assert wall(zone, start - 1).date() < today < wall(zone, end).date()


# Allowed hours.


@pytest.mark.parametrize(
    ("at", "opening"),
    [
        ("2026-05-05T05:59:59.999Z", "2026-05-05T06:00:00"),
        ("2026-05-05T06:00:00Z", "2026-05-05T06:00:00"),
        ("2026-05-05T18:59:59.999Z", "2026-05-05T18:59:59.999Z"),
        ("2026-05-05T19:00:00Z", "2026-05-06T06:00:00"),
        ("2026-05-09T19:00:00Z", "2026-05-10T10:00:00"),
        ("2026-05-10T18:00:00Z", "2026-05-11T06:00:00"),
        # The change of the clocks moves the opening in UTC, not on the wall.
        ("2026-03-28T20:00:00Z", "2026-03-29T10:00:00"),
        ("2026-10-24T19:00:00Z", "2026-10-25T11:00:00"),
    ],
)
def test_hours_open_with_their_first_moment_and_close_before_their_last(
    at: str, opening: str
) -> None:
    assert text(next_open(allow(NIGHTS), place(BERLIN), ms(at))) == opening
    assert is_open(allow(NIGHTS), place(BERLIN), ms(at)) == (text(ms(at)) == opening)


def test_an_opening_that_the_clock_skips_opens_when_the_clock_lands_behind_it() -> None:
    hours = allow({"mon-sun": "02:30-04:00"})
    assert text(next_open(hours, place(BERLIN), ms("2026-03-29T00:30:00Z"))) == (
        "2026-03-29T01:00:00"
    )


def test_hours_that_the_clock_skips_altogether_wait_for_the_next_day() -> None:
    hours = allow({"mon-sun": "02:00-03:00"})
    assert text(next_open(hours, place(BERLIN), ms("2026-03-29T00:30:00Z"))) == (
        "2026-03-30T00:00:00"
    )


def test_a_doubled_hour_is_open_twice() -> None:
    hours, berlin = allow({"mon-sun": "02:00-02:30"}), place(BERLIN)
    assert is_open(hours, berlin, ms("2026-10-25T00:10:00Z"))
    assert text(next_open(hours, berlin, ms("2026-10-25T00:30:00Z"))) == "2026-10-25T01:00:00"
    assert text(next_open(hours, berlin, ms("2026-10-25T01:30:00Z"))) == "2026-10-26T01:00:00"


def test_past_midnight_is_two_entries_and_twenty_four_is_the_end_of_the_day() -> None:
    hours = allow({"mon-sun": ["00:00-02:00", "22:00-24:00"]})
    berlin = place(BERLIN)
    assert is_open(hours, berlin, ms("2026-05-05T21:59:59.999Z"))
    assert is_open(hours, berlin, ms("2026-05-05T22:00:00Z"))
    assert text(closes(hours, berlin, ms("2026-05-05T21:00:00Z"))) == "2026-05-06T00:00:00"
    assert text(next_open(hours, berlin, ms("2026-05-06T00:00:00Z"))) == "2026-05-06T20:00:00"


def test_a_holiday_takes_the_place_of_its_weekday_where_the_policy_names_it() -> None:
    closed = allow({"mon-sun": "08:00-21:00", "holiday": "none"})
    open_still = allow({"mon-sun": "08:00-21:00"})
    berlin = place(BERLIN, country="DE")
    labour_day = ms("2026-05-01T10:00:00Z")
    assert text(next_open(closed, berlin, labour_day)) == "2026-05-02T06:00:00"
    assert is_open(open_still, berlin, labour_day)
    assert is_open(closed, place(BERLIN), labour_day)


def test_the_holidays_of_the_region_bind_as_well_and_observed_days_with_them() -> None:
    closed = allow({"mon-sun": "08:00-21:00", "holiday": "none"})
    epiphany, observed = ms("2026-01-06T12:00:00Z"), ms("2026-07-03T15:00:00Z")
    assert not is_open(closed, place(BERLIN, country="DE", region="BY"), epiphany)
    assert is_open(closed, place(BERLIN, country="DE", region="BE"), epiphany)
    assert not is_open(closed, place(NEW_YORK, country="US"), observed)


def test_with_several_zones_a_moment_is_allowed_when_it_is_in_all_of_them() -> None:
    coasts = place(NEW_YORK, "America/Los_Angeles")
    hours = allow({"mon-sun": "08:00-21:00"})
    assert text(next_open(hours, coasts, ms("2026-05-05T12:00:00Z"))) == "2026-05-05T15:00:00"
    assert text(closes(hours, coasts, ms("2026-05-05T15:00:00Z"))) == "2026-05-06T01:00:00"
    assert text(next_open(hours, coasts, ms("2026-05-06T01:00:00Z"))) == "2026-05-06T15:00:00"


def test_hours_that_never_agree_or_never_open_have_no_opening() -> None:
    morning = allow({"mon-sun": "08:00-10:00"})
    far = place("Pacific/Auckland", NEW_YORK)
    assert next_open(morning, far, ms("2026-05-05T12:00:00Z")) is None
    never = allow({"mon-sun": "none"})
    assert next_open(never, place(BERLIN), ms("2026-05-05T12:00:00Z")) is None
    assert not is_open(never, place(BERLIN), ms("2026-05-05T12:00:00Z"))


def test_hours_that_only_a_holiday_opens_wait_for_it() -> None:
    hours = allow({"mon-sun": "none", "holiday": "09:00-10:00"})
    berlin = place(BERLIN, country="DE")
    assert text(next_open(hours, berlin, ms("2026-05-26T12:00:00Z"))) == "2026-10-03T07:00:00"


def test_hours_that_never_close_have_no_end() -> None:
    always, berlin = allow({"mon-sun": "00:00-24:00"}), place(BERLIN)
    assert closes(always, berlin, ms("2026-05-05T12:00:00Z")) is None


def test_hours_that_only_a_holiday_closes_end_there_however_far_it_is() -> None:
    hours = allow({"mon-sun": "00:00-24:00", "holiday": "none"})
    after_whitsun = ms("2026-05-26T12:00:00Z")
    assert text(closes(hours, place(BERLIN, country="DE"), after_whitsun)) == "2026-10-02T22:00:00"
    both = place(BERLIN, "Asia/Tokyo", country="DE")
    assert text(closes(hours, both, after_whitsun)) == "2026-10-02T15:00:00"
    assert closes(hours, place(BERLIN), after_whitsun) is None


def test_several_zones_wait_for_a_holiday_that_opens_in_all_of_them() -> None:
    hours = allow({"mon-sun": "none", "holiday": "00:00-24:00"})
    both = place(BERLIN, "Asia/Tokyo", country="DE")
    assert text(next_open(hours, both, ms("2026-05-26T12:00:00Z"))) == "2026-10-02T22:00:00"


def test_a_moment_outside_of_the_hours_is_before_no_closing() -> None:
    hours, berlin = allow(NIGHTS), place(BERLIN)
    for outside in ("2026-05-05T05:00:00Z", "2026-05-05T19:00:00Z", "2026-05-10T09:00:00Z"):
        assert closes(hours, berlin, ms(outside)) is None
    assert closes(allow({"mon-sun": "none"}), berlin, ms("2026-05-05T05:00:00Z")) is None


def test_hours_that_run_on_over_midnight_close_when_they_do() -> None:
    hours = allow({"mon-thu": "00:00-24:00", "fri": "00:00-17:00", "sat,sun": "none"})
    berlin = place(BERLIN)
    assert text(closes(hours, berlin, ms("2026-05-05T12:00:00Z"))) == "2026-05-08T15:00:00"


def test_the_date_is_the_persons_own() -> None:
    assert date_text(place(KOLKATA), ms("2026-05-05T20:00:00Z")) == "2026-05-06"
    assert date_text(place(NEW_YORK), ms("2026-05-05T03:00:00Z")) == "2026-05-04"


SPANS = st.lists(st.integers(0, 48), min_size=2, max_size=4, unique=True).map(sorted)


def _clock(half_hours: int) -> str:
    return f"{half_hours // 2:02}:{half_hours % 2 * 30:02}"


def _hours(edges: list[int]) -> list[str]:
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [f"{_clock(start)}-{_clock(end)}" for start, end in pairs]


ALLOWS = st.builds(
    lambda working, sunday, holiday: {"mon-sat": working, "sun": sunday, "holiday": holiday},
    SPANS.map(_hours),
    st.one_of(st.just("none"), SPANS.map(_hours)),
    st.one_of(st.just("none"), SPANS.map(_hours)),
)


def allowed(written: dict[str, Any], where: Place, at: int) -> bool:
    """Read the hours off the wall, minute by minute."""
    for zone in where.zones:
        assert isinstance(zone, ZoneInfo)
        local = wall(zone, at)
        hours = written["sun" if local.weekday() == 6 else "mon-sat"]
        if where.country and local.date() in holidays_of(where.country, None, local.year):
            hours = written["holiday"]
        clock = local.hour * 60 + local.minute
        spans = [] if hours == "none" else [span.split("-") for span in hours]
        if not any(_minutes(start) <= clock < _minutes(end) for start, end in spans):
            return False
    return True


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


@given(
    ALLOWS,
    st.sampled_from([[BERLIN], [LORD_HOWE], [HAVANA], [BERLIN, KOLKATA], [NEW_YORK, BERLIN]]),
    st.sampled_from([None, "DE"]),
    MOMENTS,
)
def test_the_opening_is_the_first_moment_that_the_wall_allows(
    written: dict[str, Any], zones: list[str], country: str | None, at: int
) -> None:
    where, hours = place(*zones, country=country), allow(written)
    found = next_open(hours, where, at)
    assert is_open(hours, where, at) == allowed(written, where, at) == (found == at)
    moment = at
    while moment < at + 2 * DAY and not allowed(written, where, moment):
        moment = moment // MINUTE * MINUTE + MINUTE
    if moment < at + 2 * DAY:
        assert found == moment
    else:
        assert found is None or found >= moment


PLACES = st.sampled_from([[BERLIN], [LORD_HOWE], [NEW_YORK, BERLIN]])


@given(ALLOWS, PLACES, st.sampled_from([None, "DE"]), MOMENTS)
def test_open_hours_reach_to_their_closing(
    written: dict[str, Any], zones: list[str], country: str | None, at: int
) -> None:
    where, hours = place(*zones, country=country), allow(written)
    end = closes(hours, where, at)
    if not is_open(hours, where, at) or end is None:
        return
    assert at < end
    assert is_open(hours, where, end - 1)
    assert not is_open(hours, where, end)


@given(ALLOWS, PLACES, st.lists(MOMENTS, min_size=2, max_size=6), st.integers(0, 3 * DAY))
def test_hours_that_remember_what_holds_say_what_the_calendar_says(
    written: dict[str, Any], zones: list[str], moments: list[int], later: int
) -> None:
    where, hours = place(*zones), allow(written)
    known = Hours(hours)
    for at in sorted([*moments, *(moment + later for moment in moments)]):
        assert known.next_open(where, at) == next_open(hours, where, at)
        assert known.closes(where, at) == closes(hours, where, at)


@given(ALLOWS, PLACES, st.lists(MOMENTS, min_size=2, max_size=6), st.integers(0, 3 * HOUR))
def test_ends_of_hours_that_remember_what_holds_say_what_those_do_that_never_were_asked(
    written: dict[str, Any], zones: list[str], moments: list[int], later: int
) -> None:
    where, allowed = place(*zones), (allow(written),)
    known = Edges(allowed, HOUR)
    for at in sorted([*moments, *(moment + later for moment in moments)]):
        assert known.near(where, at) == Edges(allowed, HOUR).near(where, at)


@given(PLACES, st.sampled_from(["hour", "day", "week", "month"]), st.lists(MOMENTS, min_size=2))
def test_windows_that_are_remembered_are_those_of_every_zone(
    zones: list[str], kind: str, moments: list[int]
) -> None:
    where = place(*zones)
    for at in [*moments, *(moment + HOUR for moment in moments)]:
        assert windows(where, kind, at) == tuple(
            calendar_window(zone, kind, at) for zone in where.zones
        )

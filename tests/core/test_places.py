"""Where a person may be: zones of countries and regions, and public holidays."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from governor.core.places import ANYWHERE, holidays_of, zone_named, zones_of_place


def names(country: str, region: str | None = None) -> set[str]:
    return {str(zone) for zone in zones_of_place(country, region)}


def test_a_country_has_every_zone_that_the_tz_database_gives_it() -> None:
    assert names("DE") == {"Europe/Berlin", "Europe/Busingen"}
    assert names("PT") == {"Europe/Lisbon", "Atlantic/Madeira", "Atlantic/Azores"}
    assert {"America/New_York", "Pacific/Honolulu", "America/Adak"} <= names("US")
    assert len(names("US")) > 20


@pytest.mark.parametrize(
    ("country", "region", "zones"),
    [
        ("US", "CA", {"America/Los_Angeles"}),
        ("US", "US-CA", {"America/Los_Angeles"}),
        ("us", "us-ca", {"America/Los_Angeles"}),
        ("US", "TX", {"America/Chicago", "America/Denver"}),
        ("US", "HI", {"Pacific/Honolulu"}),
        ("CA", "SK", {"America/Regina", "America/Swift_Current"}),
        ("AU", "QLD", {"Australia/Brisbane", "Australia/Lindeman"}),
    ],
)
def test_a_region_narrows_the_zones_where_a_table_is_known(
    country: str, region: str, zones: set[str]
) -> None:
    assert names(country, region) == zones


def test_an_unknown_region_leaves_the_country_and_an_unknown_country_nothing() -> None:
    assert names("US", "XX") == names("US")
    assert names("DE", "BY") == names("DE")
    assert names("XX") == set()


def test_anywhere_is_every_offset_from_west_to_east() -> None:
    offsets = [zone.utcoffset(None) for zone in ANYWHERE]
    assert offsets[0] == timedelta(hours=-12)
    assert offsets[-1] == timedelta(hours=14)
    assert timedelta(hours=5, minutes=30) in offsets


@pytest.mark.parametrize("name", ["", "Mars/Phobos", "/etc/passwd", "../zone.tab", "Europe", "\0"])
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone_named(name) is None


@pytest.mark.parametrize(
    ("country", "region", "day", "free"),
    [
        ("DE", None, date(2026, 5, 1), True),
        ("DE", "BY", date(2026, 1, 6), True),
        ("DE", "DE-BY", date(2026, 1, 6), True),
        ("de", "by", date(2026, 1, 6), True),
        ("DE", "Bayern", date(2026, 1, 6), True),
        ("DE", None, date(2026, 1, 6), False),
        ("DE", "BE", date(2026, 1, 6), False),
        ("DE", "nowhere", date(2026, 5, 1), True),
        ("US", None, date(2026, 7, 3), True),  # observed, the Fourth is a Saturday
        ("US", None, date(2026, 7, 4), True),
        ("US", None, date(2026, 7, 2), False),
        ("US", None, date(2021, 12, 31), True),  # observed in the year before its own
        ("GB", "SCT", date(2027, 1, 4), True),  # the second of January, a Saturday, observed
        ("XX", None, date(2026, 1, 1), False),
    ],
)
def test_a_day_is_a_holiday_where_the_country_or_region_keeps_it_or_its_observed_day(
    country: str, region: str | None, day: date, *, free: bool
) -> None:
    assert (day in holidays_of(country, region, day.year)) == free

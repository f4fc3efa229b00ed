"""Where a person may be: the time zones of countries and regions, and their public holidays.

Zones come from the tz database's zone.tab, holidays from the `holidays` package.
"""

from datetime import date, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

_HALF_HOURS = range(-24, 29)
ANYWHERE: tuple[tzinfo, ...] = tuple(timezone(timedelta(minutes=30 * n)) for n in _HALF_HOURS)
"""Every offset in use on Earth, for a person of whom no place is known."""

_EASTERN, _CENTRAL = "America/New_York", "America/Chicago"
_MOUNTAIN, _PACIFIC = "America/Denver", "America/Los_Angeles"

# Regions whose zones are fewer than their country's; a state on a border lists both sides.
_REGIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "US": {
        **dict.fromkeys(
            "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV".split(), (_EASTERN,)
        ),
        **dict.fromkeys("AL AR IA IL LA MN MO MS OK WI".split(), (_CENTRAL,)),
        **dict.fromkeys("CO MT NM UT WY".split(), (_MOUNTAIN,)),
        **dict.fromkeys("CA NV WA".split(), (_PACIFIC,)),
        **dict.fromkeys(["FL", "TN"], (_EASTERN, _CENTRAL)),
        **dict.fromkeys(["KS", "NE", "TX"], (_CENTRAL, _MOUNTAIN)),
        "AK": ("America/Anchorage", "America/Adak"),
        "AZ": ("America/Phoenix", _MOUNTAIN),
        "HI": ("Pacific/Honolulu",),
        "ID": ("America/Boise", _PACIFIC),
        "IN": ("America/Indiana/Indianapolis", _CENTRAL),
        "KY": ("America/Kentucky/Louisville", _CENTRAL),
        "MI": ("America/Detroit", "America/Menominee"),
        "ND": (_CENTRAL, _MOUNTAIN),
        "OR": (_PACIFIC, "America/Boise"),
        "SD": (_CENTRAL, _MOUNTAIN),
    },
    "CA": {
        "AB": ("America/Edmonton",),
        "MB": ("America/Winnipeg",),
        "NB": ("America/Moncton",),
        "NL": ("America/St_Johns", "America/Goose_Bay"),
        "NS": ("America/Halifax",),
        "PE": ("America/Halifax",),
        "SK": ("America/Regina", "America/Swift_Current"),
        "YT": ("America/Whitehorse",),
    },
    "AU": {
        "ACT": ("Australia/Sydney",),
        "NT": ("Australia/Darwin",),
        "QLD": ("Australia/Brisbane", "Australia/Lindeman"),
        "SA": ("Australia/Adelaide",),
        "TAS": ("Australia/Hobart",),
        "VIC": ("Australia/Melbourne",),
    },
}


@cache
def zone_named(name: str) -> ZoneInfo | None:
    """Return the zone of the tz database called *name*, None when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@cache
def _zone_table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    text = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            table[country] = (*table.get(country, ()), name)
    return table


@lru_cache(maxsize=4096)
def zones_of_place(country: str, region: str | None) -> tuple[tzinfo, ...]:
    """Return every zone of *country*, narrowed by *region* where a table is known; may be none."""
    country = country.upper()
    names = _REGIONS.get(country, {}).get(_short(country, region)) or _zone_table().get(country, ())
    return tuple(zone for name in names if (zone := zone_named(name)) is not None)


@lru_cache(maxsize=4096)
def holidays_of(country: str, region: str | None, year: int) -> frozenset[date]:
    """Return the public holidays of *country* (and of *region* where it is known) in *year*."""
    # The package knows many regions by their name as well.
    for subdivision in (_short(country.upper(), region) or None, region or None, None):
        try:
            found = holidays.country_holidays(country.upper(), subdiv=subdivision, years=year)
        except NotImplementedError:
            continue
        return frozenset(found)
    return frozenset()


def _short(country: str, region: str | None) -> str:
    return (region or "").upper().removeprefix(f"{country}-")

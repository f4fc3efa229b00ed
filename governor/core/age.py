"""Whether a person counts as a minor, on their own calendar."""

from datetime import date

from governor.core.calendar import Place, local_date
from governor.core.standing import Profile

_OF_AGE = 18


def is_minor(profile: Profile | None, place: Place, at: int) -> bool:
    """Tell whether the person is said to be a minor, or not yet 18 in one of their zones."""
    if profile is None:
        return False
    if profile.minor or profile.born is None:
        return profile.minor
    born = date.fromisoformat(profile.born)
    of_age = (born.year + _OF_AGE, born.month, born.day)
    today = min(local_date(zone, at) for zone in place.zones)
    return (today.year, today.month, today.day) < of_age

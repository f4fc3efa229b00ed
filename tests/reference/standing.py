"""What a person's history says at one instant: consent, pauses, place, age."""

from __future__ import annotations

from typing import Any

from tests.reference.facts import Person
from tests.reference.times import ANYWHERE, country_zones, local

FOREVER = 10**18
CONTRACT = {"contract", "legal_obligation"}
ASSERTED = CONTRACT | {"legitimate_interest"}


def place(policy: dict[str, Any], person: Person) -> tuple[str | None, str | None]:
    """The country and region whose holidays count."""
    profile, defaults = person.profile, policy.get("defaults") or {}
    return profile.get("country") or defaults.get("country"), profile.get("region")


def zones(policy: dict[str, Any], person: Person) -> list[str]:
    """The zones a person may live in; all of them must allow."""
    profile, defaults = person.profile, policy.get("defaults") or {}
    if profile.get("time_zone"):
        return [profile["time_zone"]]
    if profile.get("country") and country_zones(profile["country"]):
        return list(country_zones(profile["country"]))
    if defaults.get("time_zone"):
        return [defaults["time_zone"]]
    if defaults.get("country") and country_zones(defaults["country"]):
        return list(country_zones(defaults["country"]))
    return ANYWHERE


def concerning(
    person: Person, purpose: str, channel: str, topic: str | None, actions: set[str]
) -> list[dict[str, Any]]:
    """The consent events of some actions that reach this purpose, channel and topic."""
    return [
        event
        for event in person.consents
        if event["action"] in actions
        and event["purpose"] in (purpose, "*")
        and event["channel"] in (None, channel)
        and event["topic"] in (None, topic)
    ]


def objected(person: Person, purpose: str, channel: str, topic: str | None) -> bool:
    """Whether the latest of object and unobject is an objection; it also wins a tie."""
    events = concerning(person, purpose, channel, topic, {"object", "unobject"})
    latest = max((event["at"] for event in events), default=None)
    return any(e["action"] == "object" for e in events if e["at"] == latest)


def paused(person: Person, purpose: str, channel: str, topic: str | None, now: int) -> int | None:
    """Until when the latest of pause and resume pauses, None where it does not."""
    events = concerning(person, purpose, channel, topic, {"pause", "resume"})
    latest = max((event["at"] for event in events), default=None)
    pauses = [e for e in events if e["at"] == latest and e["action"] == "pause"]
    if not pauses:
        return None
    until = max(FOREVER if e["until"] is None else e["until"] for e in pauses)
    return until if now < until else None


def pause_until(
    person: Person, category: dict[str, Any], channel: str, topic: str | None, now: int
) -> int | None:
    """The pause that holds a category's message; categories based on contract have none."""
    if CONTRACT & set(category.get("basis") or ["consent"]):
        return None
    return paused(person, category["purpose"], channel, topic, now)


def standing_grants(
    person: Person, purpose: str, bases: list[str], channel: str, topic: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """The latest grant of each basis after the last stop, and whether there is a stop."""
    stops = concerning(person, purpose, channel, topic, {"refuse", "withdraw"})
    last_stop = max((event["at"] for event in stops), default=None)
    grants = concerning(person, purpose, channel, topic, {"grant"})
    found = []
    for basis in bases:
        own = [grant for grant in grants if grant["basis"] == basis]
        if not own:
            continue
        latest = max(grant["at"] for grant in own)
        tied = [grant for grant in own if grant["at"] == latest]
        strictest = min(tied, key=lambda grant: (grant["expires_at"] or FOREVER, grant["proven"]))
        if last_stop is None or strictest["at"] > last_stop:
            found.append(strictest)
    return found, bool(stops)


def live(grants: list[dict[str, Any]], now: int) -> list[dict[str, Any]]:
    """Those of the grants that have not expired."""
    return [grant for grant in grants if now < (grant["expires_at"] or FOREVER)]


def consent_code(
    person: Person, category: dict[str, Any], channel: str, topic: str | None, now: int
) -> str | None:
    """Why the bases of a category do not carry the message, None where they do."""
    bases = category.get("basis") or ["consent"]
    based_on_contract = bool(CONTRACT & set(bases))
    asserted = bool(ASSERTED & set(bases))
    proof = category.get("proof") == "required"
    purpose = category["purpose"]
    if not based_on_contract and objected(person, purpose, channel, topic):
        return "objected"
    grants, stopped = standing_grants(person, purpose, bases, channel, topic)
    valid = live(grants, now)
    if stopped and not grants and not based_on_contract:
        return "consent_withdrawn"
    if asserted and not proof:
        return None
    if any(grant["proven"] or not proof for grant in valid):
        return None
    if len(valid) < len(grants):
        return "consent_expired"
    return "consent_unproven" if valid or asserted else "no_consent"


def agreed(person: Person, purpose: str, channel: str, topic: str | None, now: int) -> bool:
    """Whether a consent to a purpose of its own stands, neither objected to nor paused."""
    grants, _ = standing_grants(person, purpose, ["consent"], channel, topic)
    return (
        bool(live(grants, now))
        and not objected(person, purpose, channel, topic)
        and paused(person, purpose, channel, topic, now) is None
    )


def is_minor(policy: dict[str, Any], person: Person, now: int) -> bool:
    """Whether the person is declared a minor or younger than 18 in one of their zones."""
    profile = person.profile
    if profile.get("minor") is True:
        return True
    if not profile.get("born"):
        return False
    year, month, day = (int(part) for part in profile["born"].split("-"))
    today = [local(name, now).date() for name in zones(policy, person)]
    return any((d.year - 18, d.month, d.day) < (year, month, day) for d in today)

"""The policy as the oracle reads it: only what it can judge, straight from the file's document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.faults.oracle.records import Json, duration, instant

CHANNELS = ("email", "sms", "push", "in_app", "web", "whatsapp", "call", "mail")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Message:
    """What a rule looks at of one variant of a message."""

    category: str
    campaign: str
    channel: str
    topic: str | None
    priority: int = 50
    variant: Json = field(default_factory=dict, compare=False)

    @property
    def techniques(self) -> list[str]:
        return self.variant.get("techniques") or []

    @property
    def offer_ends_at(self) -> int | None:
        return instant(self.variant.get("offer_ends_at"))

    def matched(self, match: Json) -> bool:
        return all(getattr(self, name) in _listed(wanted) for name, wanted in match.items())


@dataclass(frozen=True)
class Category:
    purpose: str
    basis: tuple[str, ...]
    skips: tuple[str, ...]
    counts: bool
    quota: Json | None


class Rules:
    """One policy document."""

    def __init__(self, document: Json) -> None:
        self.caps: list[Json] = document.get("caps", [])
        self.hours: list[Json] = document.get("quiet_hours", [])
        self.intrusiveness: Json | None = document.get("intrusiveness")
        self.persuasion: Json = document.get("persuasion", {})
        review = document.get("review", {})
        self.reviews: list[Json] = review.get("rules", [])
        self.deadline = duration(review.get("deadline", "24h"))
        self.window = duration(document.get("arbitration", {}).get("window", "0s"))
        defaults = document.get("defaults", {})
        self.zone: str = defaults["time_zone"]
        self.expires_after = duration(defaults.get("expires_after", "7d"))
        self.categories = {
            name: Category(
                given["purpose"],
                tuple(given.get("basis", ["consent"])),
                tuple(given.get("skips", [])),
                given.get("counts", True),
                given.get("quota"),
            )
            for name, given in document["categories"].items()
        }
        named = [c for entry in (*self.caps, *self.hours) for c in _channels(entry)]
        self.channels = {*CHANNELS, *named}

    @property
    def caps_of_people(self) -> list[Json]:
        return [cap for cap in self.caps if not _by_household(cap)]

    @property
    def caps_of_households(self) -> list[Json]:
        return [cap for cap in self.caps if _by_household(cap)]

    def bound(self, message: Message) -> list[Json]:
        """Return the allowed hours that a message has to keep to."""
        return [entry for entry in self.hours if message.matched(entry.get("match", {}))]

    def open_to(self, message: Message, at: int, zone: str | None) -> bool:
        """Tell whether all hours that bind a message are open at *at* in the person's zone."""
        return all(is_open(entry["allow"], zone or self.zone, at) for entry in self.bound(message))

    def needs_review(self, message: Message) -> bool:
        return any(message.matched(rule["when"]) for rule in self.reviews)


def _by_household(cap: Json) -> bool:
    per = cap.get("per", ["person"])
    return "household" in per and "person" not in per


def _channels(entry: Json) -> list[str]:
    return _listed(entry.get("match", {}).get("channel", []))


def window_start(window: str, zone: str, at: int) -> int:
    """Return the last moment that the window at *at* leaves out, a send after it counts."""
    if not window.startswith("calendar"):
        return at - duration(window)
    local = datetime.fromtimestamp(at / 1_000, ZoneInfo(zone))
    kind = window.removeprefix("calendar ")
    start = local.replace(minute=0, second=0, microsecond=0)
    if kind != "hour":
        start = start.replace(hour=0)
    if kind == "week":
        start -= timedelta(days=start.weekday())
    if kind == "month":
        start = start.replace(day=1)
    return round(start.timestamp() * 1_000) - 1


def is_open(allow: Json, zone: str, at: int) -> bool:
    """Tell whether allowed hours are open at *at*; public holidays are not looked at."""
    local = datetime.fromtimestamp(at / 1_000, ZoneInfo(zone))
    minutes = local.hour * 60 + local.minute
    today = [hours for days, hours in allow.items() if _DAYS[local.weekday()] in _days(days)]
    return any(
        start <= minutes < end
        for hours in today
        for start, end in map(_span, [] if hours == "none" else _listed(hours))
    )


def _days(written: str) -> Iterable[str]:
    for part in written.split(","):
        if part == "holiday":
            continue
        first, _, last = part.strip().partition("-")
        yield from _DAYS[_DAYS.index(first) : _DAYS.index(last or first) + 1]


def _span(hours: str) -> tuple[int, int]:
    start, _, end = hours.partition("-")
    return _minutes(start), _minutes(end)


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)

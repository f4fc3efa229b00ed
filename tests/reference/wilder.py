"""The random histories again, moved to odd places and moments and put in odder words."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from typing import Any

from tests.reference.facts import ACTIONS, KINDS
from tests.reference.histories import history
from tests.reference.times import HOUR, MINUTE, parse_time, show_time

Policy = dict[str, Any]
Events = list[dict[str, Any]]

# Zones whose clocks change at midnight, by half an hour or by two, or whose hours are no full ones.
ZONES = (
    "America/Santiago America/Havana Africa/Cairo Asia/Beirut Australia/Lord_Howe Pacific/Chatham "
    "Asia/Kathmandu Africa/Casablanca Europe/Dublin Pacific/Kiritimati America/St_Johns "
    "Antarctica/Troll Pacific/Easter Atlantic/Azores"
).split()
COUNTRIES = ["PT", "ES", "CL", "MX", "KI", "NZ", "ID"]
STARTS = [
    "2026-04-04T20:00:00Z",  # Santiago doubles the hour before midnight, Lord Howe half an hour
    "2026-09-05T22:00:00Z",  # Santiago skips the hour after midnight
    "2026-03-08T00:00:00Z",  # so does Havana
    "2026-04-23T16:00:00Z",  # and Cairo
    "2026-10-29T16:00:00Z",  # Cairo doubles the hour before midnight
    "2026-03-28T16:00:00Z",  # Troll skips two hours
    "2026-10-03T10:00:00Z",  # Lord Howe skips half an hour
    "2026-02-14T20:00:00Z",  # Casablanca goes back for the month of fasting
    "2026-03-21T20:00:00Z",  # and forth again
    "2028-02-28T20:00:00Z",  # a leap day
    "2026-12-31T05:00:00Z",  # the end of a year
]
HOURS: list[dict[str, Any]] = [
    {"mon-sun": ["00:00-00:01", "23:59-24:00"]},
    {"fri-sun,mon": "00:00-24:00", "tue-thu": ["01:30-02:30", "12:00-12:01"]},
    {"mon,wed,fri": "none", "tue,thu": "00:00-24:00", "sat-sun": "02:00-03:00", "holiday": "none"},
    {"mon-sun": ["00:30-05:00", "20:00-24:00"], "holiday": ["00:00-01:00", "12:00-13:00"]},
]
WINDOWS = ["90s", "7m", "45m", "36h", "10d", "3h", "1h", "2d"]
BASES = ["consent", "soft_opt_in", "contract", "legal_obligation", "legitimate_interest"]
NAMES = {
    "campaign": ["spring", "summer"],
    "topic": ["shoes", "hats"],
    "channel": ["push", "email", "sms"],
    "category": ["promo", "news", "trans"],
}
SIGNALS = sorted((ACTIONS | KINDS) - {"comfort_reset"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


class Wilder:
    """Changes a policy and its events in place."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(f"wilder {seed}")
        self.zones = self.draw.sample(ZONES, 3)

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.draw.random() < share

    def policy(self, policy: Policy) -> None:
        """Put windows, hours, groups and bases in odder words."""
        if self.chance(0.7):
            policy["defaults"]["time_zone"] = self.zones[0]
        for cap in policy.get("caps", []):
            self.cap(cap)
        for category in policy["categories"].values():
            self.category(category)
        for entry in policy.get("quiet_hours", []):
            if self.chance(0.4):
                entry["allow"] = self.draw.choice(HOURS)
        budget = policy.get("persuasion", {}).get("budget")
        if budget and self.chance(0.5):
            budget["window"] = self.draw.choice(WINDOWS)

    def cap(self, cap: dict[str, Any]) -> None:
        """Another match, other groups, another window."""
        if self.chance(0.3):
            cap["match"] = {
                name: self.draw.choice([[names[0]], names[0], self.draw.sample(names, 2)])
                for name, names in NAMES.items()
                if self.chance(0.3)
            }
        by_household = "household" in cap.get("per", [])
        if "silence_after" in cap:
            if self.chance(0.7):
                cap["silence_after"] = self.draw.sample(SIGNALS, self.draw.randint(1, 3))
        elif by_household and self.chance(0.4):
            groups = [["household", "person"], ["household", "topic", "campaign"]]
            cap["per"] = self.draw.choice([*groups, ["category", "household"]])
        elif not by_household and self.chance(0.5):
            cap["per"] = ["person", *self.draw.sample(list(NAMES), self.draw.randint(0, 3))]
        for key in ("window", "min_gap"):
            if key in cap and not cap[key].startswith("calendar") and self.chance(0.5):
                cap[key] = self.draw.choice(WINDOWS)

    def category(self, category: dict[str, Any]) -> None:
        """Other bases, proof, a purpose that is also asked for personal data."""
        if "quota" in category and self.chance(0.5):
            category["quota"]["window"] = self.draw.choice(WINDOWS)
        if self.chance(0.1):
            category["basis"] = self.draw.sample(BASES, self.draw.randint(1, 3))
        if self.chance(0.15):
            category["proof"] = "required"
        if self.chance(0.1):
            category["purpose"] = self.draw.choice(["marketing", "personalisation", "sensitive"])

    def events(self, events: Events) -> Events:
        """Move them, by months and by milliseconds, and put what they say in odder words."""
        if self.chance(0.7):
            start = parse_time(self.draw.choice(STARTS)) + self.draw.choice([0, 0, 1, 500, 999])
            events = moved(events, start - parse_time(events[0]["at"]))
        if self.chance(0.5):
            self.spread(events)
        put: dict[str, Callable[[dict[str, Any], int], None]] = {
            "candidate": self.candidate,
            "consent": self.consent,
            "profile": self.profile,
        }
        for event in events:
            if event["type"] in put:
                put[event["type"]](event["data"], parse_time(event["at"]))
        return events

    def spread(self, events: Events) -> None:
        """Draw events apart by fractions of seconds, most of them with what they say of `at`."""
        later = 0
        for event in events:
            later += self.draw.choice([0, 0, 0, 0, 1, 499, 1000, 1500])
            event["at"] = show_time(parse_time(event["at"]) + later)
            if "at" in event["data"] and self.chance(0.7):
                event["data"]["at"] = show_time(parse_time(event["data"]["at"]) + later)

    def profile(self, data: dict[str, Any], _at: int) -> None:
        """Somewhere else, and now and then born on a leap day."""
        where = self.draw.random()
        if where < 0.4:
            data["time_zone"] = self.draw.choice(self.zones)
        elif where < 0.6:
            data.pop("time_zone", None)
            data["country"] = self.draw.choice(COUNTRIES)
        if "born" in data and self.chance(0.5):
            data["born"] = self.draw.choice(["2008-02-29", "2010-02-28", "2010-03-01"])

    def consent(self, data: dict[str, Any], at: int) -> None:
        """Evidence that is none, and fields that mean something on other actions only."""
        nothing: list[Any] = [{"notice_version": "", "method": "x"}, {"method": "x"}, {}, None]
        if self.chance(0.1):
            data["evidence"] = self.draw.choice(nothing)
        if self.chance(0.05):
            data["channel"] = None
        if self.chance(0.1):
            data["until"] = show_time(at + self.draw.choice([-1000, 0, 1, HOUR]))
        if data.get("action") not in ("grant", "comfort_reset"):
            if self.chance(0.1):
                data["purpose"] = "*"
            if self.chance(0.05):
                data |= {"basis": "consent", "expires_at": show_time(at)}

    def candidate(self, data: dict[str, Any], at: int) -> None:
        """Ends and beginnings a millisecond from now, and times just too far ahead."""
        near = {
            "expires_at": [0, 1, -1, 1000, HOUR, 30 * MINUTE + 1],
            "not_before": [0, 1, 999, 1001, HOUR + 1],
            "created_at": [5 * MINUTE, 5 * MINUTE + 1, 5 * MINUTE - 1, -120 * HOUR],
        }
        for name, choices in near.items():
            if self.chance(0.1):
                data[name] = show_time(at + self.draw.choice(choices))
        if self.chance(0.1):
            data["value"] = self.draw.choice([-1, 0.3, 0.1 + 0.2, 1e6])
        for variant in data.get("variants", []):
            if "offer_ends_at" in variant and self.chance(0.2):
                variant["offer_ends_at"] = show_time(at)


def moved(value: Any, by: int, name: str = "") -> Any:
    """Return a JSON value with all its times moved, but for days of birth."""
    if isinstance(value, dict):
        return {key: moved(one, by, key) for key, one in value.items()}
    if isinstance(value, list):
        return [moved(one, by, name) for one in value]
    if isinstance(value, str) and _TIME.fullmatch(value):
        return show_time(parse_time(value) + by)
    return value


def wilder_history(
    seed: int,
    *,
    wide: bool = False,
    made: Callable[..., tuple[Policy, Events]] = history,
) -> tuple[Policy, Events]:
    """Return the policy and the events of a seed as *made*, changed."""
    wilder = Wilder(seed)
    policy, events = copy.deepcopy(made(seed, wide=wide))
    wilder.policy(policy)
    return policy, wilder.events(events)

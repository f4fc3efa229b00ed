"""Random policies, small and full of borders, and the choices that histories share with them."""

from __future__ import annotations

import random
from typing import Any

from tests.reference.times import MINUTE, parse_time, show_time

STARTS = [
    "2026-05-05T06:00:00Z",  # a plain Tuesday
    "2026-03-28T18:00:00Z",  # Berlin skips an hour in that night
    "2026-10-24T18:00:00Z",  # Berlin doubles one
    "2026-03-07T20:00:00Z",  # New York skips one
    "2026-10-31T20:00:00Z",  # New York doubles one
    "2026-04-30T14:00:00Z",  # a holiday, then a weekend
    "2026-12-24T10:00:00Z",  # holidays, and a year that ends
]
STEPS = [15, 30, 60, 60, 120, 180]
CHANNELS = ["push", "email", "sms"]
TOPICS = [None, "shoes", "hats"]
CAMPAIGNS = ["spring", "summer"]
WINDOWS = ["30m", "1h", "2h", "3h", "6h", "24h"]
CALENDAR = ["calendar hour", "calendar day", "calendar week", "calendar month"]
BASES = [
    ["consent"],
    ["consent"],
    ["consent", "soft_opt_in"],
    ["soft_opt_in"],
    ["legitimate_interest"],
    ["consent", "legitimate_interest"],
    ["contract"],
    ["legal_obligation", "consent"],
]
HOURS = [
    {"mon-sat": "08:00-21:00", "sun": "12:00-20:00", "holiday": "none"},
    {"mon-fri": ["06:00-12:00", "13:00-22:00"], "sat,sun": "10:00-24:00"},
    {"mon-sun": "00:00-03:00", "holiday": "09:00-12:00"},
    {"mon-sat": ["00:00-02:30", "22:00-24:00"], "sun": ["00:00-01:00", "02:30-24:00"]},
    {"mon-fri": "09:00-17:00", "sat-sun": "none"},
]


class PolicyMaker:
    """One seeded source of choices."""

    def __init__(self, seed: int, *, wide: bool) -> None:
        self.random = random.Random(seed)
        # Apart, so that what is drawn for rivals changes nothing else of a seed's history.
        self.rivalry = random.Random(f"rivals {seed}")
        self.wide = wide
        self.people = [f"p{i}" for i in range(self.random.choice([1, 1, 2, 3]))]
        self.now = parse_time(self.random.choice(STARTS))
        self.step = self.random.choice(STEPS) * MINUTE
        self.ids = [f"m{i}" for i in range(self.random.choice([5, 8, 14]))]
        self.seen: dict[tuple[str, str], dict[str, Any]] = {}
        self.told: list[dict[str, Any]] = []
        self.count = 0

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.random.random() < share

    def pick(self, choices: Any) -> Any:
        """One of them."""
        return self.random.choice(choices)

    def around(self, spread: int = 8) -> str:
        """A time on the grid near now."""
        return str(show_time(self.now + self.random.randint(-spread, spread) * self.step))

    def ahead(self, spread: int = 12) -> str:
        """A time on the grid from now on."""
        return str(show_time(self.now + self.random.randint(0, spread) * self.step))

    def said_at(self) -> str:
        """When something was said: mostly now, sometimes before, sometimes too far ahead."""
        minutes = self.pick([0] * 10 + [3, 5, 6, -1])
        if self.chance(0.15):
            return str(show_time(self.now - self.random.randint(0, 3) * self.step))
        return str(show_time(self.now + minutes * MINUTE + (1000 if self.chance(0.03) else 0)))

    def policy(self) -> dict[str, Any]:
        """A random policy."""
        policy: dict[str, Any] = {"version": 1, "defaults": self.defaults()}
        if self.chance(0.3):
            policy["retention"] = {"verdicts": "72h", "history": "180d"}
        policy["categories"] = {
            "promo": self.category("marketing", 0.1),
            "news": self.category(self.pick(["marketing", "service"]), 0.25),
            "trans": self.category("contract", 0.6),
        }
        if self.chance(0.85):
            policy["caps"] = [self.cap(i) for i in range(self.random.randint(1, 4))]
        if self.chance(0.55):
            count = self.pick([1, 1, 2])
            policy["quiet_hours"] = [self.hours(i) for i in range(count)]
        quota_review = any(
            category.get("quota", {}).get("at_quota") == "review"
            for category in policy["categories"].values()
        )
        if self.wide:
            self.widen(policy)
            if self.chance(0.4):
                policy["human_touch"] = self.human_touch()
        above = policy.get("intrusiveness", {}).get("above") == "review"
        above = above or policy.get("human_touch", {}).get("then") == "review"
        if quota_review or above or self.chance(0.35):
            policy["review"] = self.review(depth="intrusiveness" in policy)
        if self.chance(0.25):
            policy["modes"] = self.modes(policy)
        self.contend(policy)
        return policy

    def contend(self, policy: dict[str, Any]) -> None:
        """Now and then reserve slots, and in half of the policies arbitrate."""
        draw = self.rivalry
        for cap in policy.get("caps", []):
            if cap.get("limit", 0) > 1 and draw.random() < 0.5:
                slots = draw.randint(1, cap["limit"] - 1)
                cap["reserve"] = {"priority_at_least": draw.choice([10, 50, 51]), "slots": slots}
        if draw.random() < 0.5:
            self.arbitrate(policy)

    def arbitrate(self, policy: dict[str, Any]) -> None:
        """A window of arbitration, and something to compete for."""
        draw = self.rivalry
        steps = draw.choice([0, 0, 1, 2, 3, 5])
        width = min(steps * self.step // MINUTE, 11 * 60)  # shorter than any message lives
        section: dict[str, Any] = {"window": f"{width}m"}
        if draw.random() < 0.5:
            keys = ["priority", "value", "created_at"]
            section["rank"] = draw.sample(keys, draw.randint(1, 3))
        if draw.random() < 0.7:
            section["losers"] = draw.choice(["wait", "suppress", "suppress"])
        policy["arbitration"] = section
        if draw.random() < 0.6:
            scarce = {"id": "scarce", "limit": 1, "window": draw.choice(WINDOWS[:4])}
            policy["caps"] = [*policy.get("caps", []), scarce]
        for category in policy["categories"].values():
            if draw.random() < 0.15:
                category["skips"] = [*category.get("skips", []), "arbitration"]
        if section.get("losers") == "suppress" and draw.random() < 0.15:
            name = draw.choice(["arbitration", "arbitration.losers"])
            policy["modes"] = policy.get("modes", {}) | {name: "shadow"}

    def defaults(self) -> dict[str, Any]:
        """Where people are who did not say."""
        found: dict[str, Any] = self.pick(
            [
                {"country": "DE", "time_zone": "Europe/Berlin"},
                {"time_zone": "America/New_York", "country": "US"},
                {"time_zone": "UTC", "country": "GB"},
                {"country": "DE"},
                {"country": "PT"},
            ]
        )
        if self.chance(0.06):
            found = self.pick([{"country": "US"}, {}])
        if self.chance(0.5):
            found = dict(found, expires_after=self.pick(["12h", "24h", "3d", "7d"]))
        return dict(found)

    def category(self, purpose: str, skips: float) -> dict[str, Any]:
        """One category."""
        entry: dict[str, Any] = {"purpose": purpose}
        if self.chance(0.95):
            entry["basis"] = self.pick(BASES)
        if self.chance(0.1):
            entry["proof"] = "required"
        if self.chance(skips):
            names = ["caps", "quiet_hours"]
            if self.wide and self.chance(0.5):
                names += ["purpose", "persuasion", "intrusiveness", "oversight"]
            entry["skips"] = sorted(self.random.sample(names, self.random.randint(1, 2)))
        if self.chance(0.25):
            entry["counts"] = self.chance(0.3)
        if self.chance(0.3):
            entry["quota"] = {"limit": self.random.randint(0, 3), "window": self.pick(WINDOWS)}
            if self.chance(0.7):
                entry["quota"]["at_quota"] = self.pick(["defer", "suppress", "review", "review"])
        return entry

    def match(self) -> dict[str, Any]:
        """What a cap or an entry of quiet hours is about."""
        return dict(
            self.pick(
                [
                    {},
                    {"category": "promo"},
                    {"category": ["promo", "news"]},
                    {"channel": "push"},
                    {"channel": ["push", "sms"]},
                    {"campaign": "spring"},
                    {"topic": "shoes"},
                    {"category": "promo", "channel": "email"},
                ]
            )
        )

    def cap(self, index: int) -> dict[str, Any]:
        """One cap of one of the three kinds."""
        cap: dict[str, Any] = {"id": f"c{index}"}
        match = self.match()
        if match or self.chance(0.5):
            cap["match"] = match
        kind = self.pick(["limit", "limit", "calendar", "calendar", "gap", "silence"])
        if kind in ("limit", "calendar"):
            cap["limit"] = self.pick([0, 1, 1, 1, 2, 2, 3])
            cap["window"] = self.pick(WINDOWS if kind == "limit" else CALENDAR)
        elif kind == "gap":
            cap["min_gap"] = self.pick(WINDOWS)
        else:
            names = ["refuse", "withdraw", "object", "dismissed", "complained", "too_much"]
            cap["silence_after"] = self.pick([self.pick(names), self.random.sample(names, 2)])
            cap["window"] = self.pick(WINDOWS)
        if kind != "silence" and self.chance(0.25):
            cap["per"] = ["person", "topic"]
        if self.chance(0.7):
            cap["at_cap"] = self.pick(["defer", "suppress"])
        return cap

    def hours(self, index: int) -> dict[str, Any]:
        """One entry of quiet hours."""
        entry: dict[str, Any] = {"id": f"h{index}", "allow": self.pick(HOURS)}
        if self.chance(0.7):
            entry["match"] = self.match()
        if self.chance(0.6):
            entry["outside"] = self.pick(["defer", "defer", "suppress"])
        return entry

    def review(self, *, depth: bool) -> dict[str, Any]:
        """Rules that send to review."""
        rules = []
        for index in range(self.pick([0, 1, 1, 2])):
            rule: dict[str, Any] = {"id": f"r{index}"}
            whens: list[dict[str, Any]] = [
                {"category": "promo"},
                {"channel": "push"},
                {"campaign": "spring"},
            ]
            if depth:
                whens.append({"depth_at_least": self.random.randint(1, 5)})
            if self.chance(0.8):
                rule["when"] = self.pick(whens)
            if self.chance(0.4):
                rule["sample"] = self.pick([0.0, 0.3, 0.5, 1.0])
            if self.chance(0.4):
                rule["reviewers"] = 2
            rules.append(rule)
        section: dict[str, Any] = {"rules": rules}
        if self.chance(0.8):
            section["deadline"] = self.pick(["1h", "3h", "24h"])
        if self.chance(0.7):
            section["on_deadline"] = self.pick(["suppress", "release"])
        return section

    def human_touch(self) -> dict[str, Any]:
        """When a human has to take over."""
        section: dict[str, Any] = {"hold": self.pick(["promo", ["promo"], ["promo", "trans"]])}
        if self.chance(0.7):
            section["messages"] = self.pick([1, 1, 2, 3])
        if "messages" not in section or self.chance(0.6):
            kinds = ["complained", "too_much", "replied", "dismissed", "converted"]
            section["signals"] = self.random.sample(kinds, 2)
        if self.chance(0.7):
            section["then"] = self.pick(["defer", "suppress", "review"])
        return section

    def modes(self, policy: dict[str, Any]) -> dict[str, Any]:
        """Some rules in shadow."""
        names = ["caps", "quiet_hours", "caps.comfort", "caps.quota", "oversight", "caps.c0"]
        names += [f"quiet_hours.{e['id']}" for e in policy.get("quiet_hours", [])]
        names += [f"oversight.{r['id']}" for r in policy.get("review", {}).get("rules", [])]
        if "caps" not in policy:
            names.remove("caps.c0")
        if not any("quota" in entry for entry in policy["categories"].values()):
            names.remove("caps.quota")
        if self.wide:
            names += [n for n in ("intrusiveness", "persuasion") if n in policy]
            names += [f"persuasion.{part}" for part in policy.get("persuasion", {})]
            parts = set(policy.get("human_touch", {})) & {"messages", "signals"}
            names += [f"human_touch.{part}" for part in sorted(parts)]
            if "personal_data" in policy:
                names += ["purpose", "purpose.free", "purpose.sensitive", "purpose.minor"]
        chosen = self.random.sample(names, min(len(names), self.pick([1, 1, 2])))
        return {name: self.pick(["shadow", "shadow", "enforce"]) for name in chosen}

    def widen(self, policy: dict[str, Any]) -> None:
        """The sections of the second step."""
        if self.chance(0.7):
            section: dict[str, Any] = {
                "ceiling": self.pick([8, 15, 30, 60]),
                "half_life": self.pick(["1h", "6h", "3d"]),
                "comfort": {"low": self.pick([6, 10]), "normal": 20},
            }
            if self.chance(0.4):
                section["comfort"]["learn"] = self.chance(0.3)
            if self.chance(0.6):
                section["above"] = self.pick(["defer", "review", "suppress"])
            if self.chance(0.3):
                section["channels"] = {"push": 0.5, "email": 0.3}
            if self.chance(0.3):
                section["depth"] = {"segment": 1, "name": 3, "health": 5}
            policy["intrusiveness"] = section
        if self.chance(0.5):
            policy["personal_data"] = {
                "purpose": "personalisation",
                "free": self.random.randint(0, 3),
                "sensitive": ["health"],
            }
        if self.chance(0.65):
            section = {
                "urgency": {"needs": "offer_ends_at"},
                "budget": {
                    "limit": self.pick([0, 1, 1, 2]),
                    "window": self.pick([*WINDOWS, "3d"]),
                },
                "vulnerable": ["debt", "illness"],
            }
            policy["persuasion"] = {k: v for k, v in section.items() if self.chance(0.75)}

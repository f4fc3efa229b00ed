"""Random traffic as engines, people, senders, reviewers and ops would make it, from one seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

Json = dict[str, Any]

_WEIGHTS = {
    "candidate": 40,
    "urgent": 6,
    "consent": 16,
    "profile": 3,
    "cancellation": 4,
    "control": 5,
    "bad": 3,
    "again": 6,
    "stray": 2,
}
_KINDS = ["promotional"] * 6 + ["service"] * 2 + ["transactional"] * 2
_FAILURES = ["bounced", "failed"]
_LESSONS = ["dismissed", "dismissed", "too_much", "clicked", "converted", "replied"]
_ATTRIBUTES = ["segment", "browsing_history", "name", "location", "health", "shoe_size"]
_SOURCES = ["declared", "observed", "third_party", "inferred", None]
_TECHNIQUES = ["urgency", "urgency", "scarcity", "social_proof"]
_OFFERS = [12_000, 40_000, 40_000, 40_000]


class Sent(NamedTuple):
    """A record to produce."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


_HOMES = ("h-1", "h-2")
_SHARED: list[Json] = [
    {"id": "home", "match": {"channel": ["email", "push"]}, "limit": 2, "window": "12s"},
    {
        "id": "home-sms",
        "match": {"channel": "sms"},
        "limit": 2,
        "window": "20s",
        "at_cap": "suppress",
    },
    {"id": "home-gap", "match": {"channel": "call"}, "min_gap": "3s"},
]


def policy(local: datetime, zone: str = "UTC", *, homes: bool = False) -> Json:
    """Return a policy with short windows; calls may be made but for a minute after the next.

    *local* is what the clock shows in *zone* when it begins, some hours from midnight. With
    *homes* some caps count what a household gets.
    """
    rules = _policy(local, zone)
    if homes:
        rules["caps"] += [{**cap, "per": ["household"]} for cap in _SHARED]
    return rules


def _policy(local: datetime, zone: str) -> Json:
    closed, open_again = local + timedelta(minutes=1), local + timedelta(minutes=2)
    start, end = local - timedelta(minutes=5), local + timedelta(hours=2)
    allow = [f"{start:%H:%M}-{closed:%H:%M}", f"{open_again:%H:%M}-{end:%H:%M}"]
    return {
        "version": 1,
        "defaults": {"time_zone": zone, "expires_after": "7d"},
        "categories": {
            "promotional": {"purpose": "marketing", "basis": ["consent", "soft_opt_in"]},
            "service": {
                "purpose": "service",
                "basis": ["legitimate_interest"],
                "skips": ["caps"],
            },
            "transactional": {
                "purpose": "contract",
                "basis": ["contract"],
                "skips": ["caps", "quiet_hours", "intrusiveness"],
                "counts": False,
                "quota": {"limit": 3, "window": "20s", "at_quota": "defer"},
            },
        },
        "caps": [
            {
                "id": "email",
                "match": {"channel": "email"},
                "limit": 2,
                "window": "20s",
                "reserve": {"priority_at_least": 60, "slots": 1},
            },
            {"id": "push", "match": {"channel": "push"}, "limit": 1, "window": "8s"},
            {
                "id": "sms",
                "match": {"channel": "sms"},
                "limit": 1,
                "window": "calendar hour",
                "at_cap": "suppress",
            },
            {"id": "gap", "match": {"channel": ["email", "push"]}, "min_gap": "2s"},
            {
                "id": "topic",
                "match": {"category": "promotional"},
                "per": ["person", "topic"],
                "limit": 3,
                "window": "40s",
                "at_cap": "suppress",
            },
            {
                "id": "silence",
                "match": {"channel": "call"},
                "silence_after": ["refuse", "complained"],
                "window": "30s",
                "at_cap": "suppress",
            },
        ],
        "quiet_hours": [
            {"id": "calls", "match": {"channel": "call"}, "allow": {"mon-sun": allow}},
        ],
        "intrusiveness": {
            "ceiling": 36,
            "half_life": "10s",
            "comfort": {"low": 15, "normal": 36, "high": 50},
            "edge": "20s",
            "repeat": {"window": "15s"},
            "learned": {"half_life": "60s"},
        },
        "persuasion": {
            "urgency": {"needs": "offer_ends_at"},
            "budget": {"limit": 2, "window": "15s"},
            "vulnerable": ["debt"],
        },
        "review": {
            "rules": [{"id": "seen", "when": {"campaign": "reviewed"}}],
            "deadline": "15s",
            "on_deadline": "suppress",
        },
    }


class Traffic:
    """Makes records; *now* gives the time in ms, all else comes from *chance*.

    With *homes* the people live in two households, most of them always in the same.
    """

    def __init__(
        self, chance: Random, people: list[str], now: Callable[[], int], *, homes: bool = False
    ) -> None:
        self._chance = chance
        self._people = people
        self._now = now
        self._count = 0
        self._candidates: list[Json] = []
        self._owner: dict[str, str] = {}
        self._replied: set[str] = set()
        self._held: list[Json] = []
        self._offers: dict[str, int] = {}
        self._told_at: dict[str, int] = {}
        self._homes = {person: chance.choice(_HOMES) for person in people} if homes else {}

    def opening(self) -> list[Sent]:
        """Return what is there before anything else: most people have agreed to something."""
        found = []
        for person in self._people:
            if self._chance.random() < 0.85:
                grant = {"action": "grant", "purpose": "marketing", "basis": "consent"}
                found.append(self._consent(person, grant, ago=60_000))
            if self._chance.random() < 0.3:
                found.append(self._profile(person))
        return found

    def next(self) -> Sent:
        """Return one more record of any kind."""
        kind = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        made: Sent = getattr(self, f"_make_{kind}")()
        return made

    def closing(self) -> list[Sent]:
        """Lift all controls, so that what waits for that comes to its end."""
        return [self._control(action, {}) for action in ("resume", "start")]

    def replies_to(self, released: Json) -> list[Sent]:
        """Return what the sender and the person say to a release, now and then; once for each."""
        if released["id"] in self._replied:
            return []
        self._replied.add(released["id"])
        draw = self._chance.random()
        if draw < 0.35:
            return []
        if draw < 0.55:
            kinds = [self._chance.choice(_LESSONS)]
        elif draw < 0.75:
            kinds = [self._chance.choice(_FAILURES)]
        elif draw < 0.9:
            kinds = [self._chance.choice(_FAILURES), "delivered", "bounced"]
        elif draw < 0.94:
            kinds = [self._chance.choice(["unsubscribed", "complained"])]
        else:
            kinds = ["delivered", "opened"]
        return [self._feedback(released["person"], released["id"], kind) for kind in kinds]

    def answer_to(self, message: str) -> list[Sent]:
        """Return a reviewer's answer on a message, most of the time."""
        if message in self._replied or self._chance.random() < 0.2:
            return []
        self._replied.add(message)
        verdict = "approve" if self._chance.random() < 0.75 else "refuse"
        answer = {"message": message, "reviewer": "ann", "answer": verdict, "reason": "seen"}
        return [self._told("governor.reviews", self._owner[message], answer)]

    # --- candidates

    def _make_candidate(self) -> Sent:
        return self._send_candidate("outreach.candidates", self._new_candidate())

    def _make_urgent(self) -> Sent:
        made = self._new_candidate() | {"category": "transactional"}
        return self._send_candidate("outreach.candidates.urgent", made)

    def _make_again(self) -> Sent:
        """Send a candidate once more, now and then with another content under the same id."""
        if not self._candidates:
            return self._make_candidate()
        known = self._chance.choice(self._candidates[-12:])
        if self._chance.random() < 0.3:
            known = {**known, "priority": 99, "payload": {"other": True}}
        return self._record("outreach.candidates", known["person"], known)

    def _new_candidate(self) -> Json:
        self._count += 1
        made: Json = {
            "id": f"m-{self._count}",
            "person": self._chance.choice(self._people),
            "campaign": self._chance.choice(["spring"] * 4 + ["autumn"] * 2 + ["reviewed"]),
            "category": self._chance.choice(_KINDS),
            "created_at": self._written(-100),
            "priority": self._chance.choice([10, 50, 90]),
            "payload": {"number": self._count},
        }
        if self._chance.random() < 0.4:
            made["topic"] = "shoes"
        if self._chance.random() < 0.25:
            made["not_before"] = self._written(self._chance.choice([500, 2_000, 6_000]))
        if self._chance.random() < 0.25:
            made["expires_at"] = self._written(self._chance.choice([4_000, 12_000, 40_000]))
        if self._chance.random() < 0.3:
            channels = self._chance.sample(["push", "email", "call", "sms"], 2)
            made["variants"] = [
                {
                    "id": f"v{number}",
                    "channel": channel,
                    "content": {"for": channel},
                    **self._manner(made["campaign"]),
                }
                for number, channel in enumerate(channels)
            ]
        else:
            made["channel"] = self._chance.choice(["email", "email", "push", "push", "sms", "call"])
            made |= self._manner(made["campaign"])
        if self._homes and self._chance.random() < 0.8:
            home = self._homes[made["person"]]
            made["household"] = home if self._chance.random() < 0.9 else self._chance.choice(_HOMES)
        return made

    def _manner(self, campaign: str) -> Json:
        """Return how personal a variant is and how it presses; most offers end as said before."""
        made: Json = {}
        if self._chance.random() < 0.5:
            names = self._chance.sample(_ATTRIBUTES, self._chance.choice([1, 1, 2]))
            sources = [self._chance.choice(_SOURCES) for _ in names]
            made["uses"] = [
                {"attribute": name} if source is None else {"attribute": name, "source": source}
                for name, source in zip(names, sources, strict=True)
            ]
        if self._chance.random() < 0.3:
            made["justification"] = "because you asked"
        if self._chance.random() < 0.4:
            made["techniques"] = [self._chance.choice(_TECHNIQUES)]
            if self._chance.random() < 0.9:
                offer = self._offers.get(campaign, 0)
                if offer < self._now() or self._chance.random() < 0.1:
                    offer = self._now() + self._chance.choice(_OFFERS)
                    self._offers[campaign] = offer
                made["offer_ends_at"] = self._format(offer)
        return made

    def _send_candidate(self, topic: str, made: Json) -> Sent:
        self._candidates.append(made)
        self._owner[made["id"]] = made["person"]
        return self._record(topic, made["person"], made)

    # --- facts

    def _make_consent(self) -> Sent:
        action = self._chance.choice(
            ["grant"] * 4
            + ["withdraw", "withdraw", "refuse", "object", "object", "unobject", "unobject"]
            + ["pause", "pause", "resume"]
        )
        change: Json = {"action": action, "purpose": "marketing"}
        if action == "grant":
            change["basis"] = self._chance.choice(["consent", "consent", "soft_opt_in"])
            if self._chance.random() < 0.3:
                change["expires_at"] = self._written(self._chance.choice([3_000, 15_000]))
        else:
            change["purpose"] = self._chance.choice(["marketing", "marketing", "*", "service"])
        if action == "pause":
            change["until"] = self._written(self._chance.choice([2_000, 8_000]))
        if self._chance.random() < 0.2:
            change["channel"] = self._chance.choice(["email", "push"])
        # Round times, so that some fall on the same instant.
        return self._consent(self._chance.choice(self._people), change, round_to=1_000)

    def _consent(self, person: str, change: Json, ago: int = 0, round_to: int = 1) -> Sent:
        at = (self._now() - ago) // round_to * round_to
        return self._told("people.consents", person, change, at)

    def _make_profile(self) -> Sent:
        return self._profile(self._chance.choice(self._people))

    def _profile(self, person: str) -> Sent:
        zone = self._chance.choice(["UTC", "Etc/GMT+1", "Asia/Kolkata"])
        # Of two with one time either may count when they are read again.
        at = max(self._now(), self._told_at.get(person, 0) + 1)
        self._told_at[person] = at
        profile: Json = {"person": person, "at": self._format(at), "time_zone": zone}
        if self._chance.random() < 0.5:
            profile["comfort"] = {"max_per_week": self._chance.choice([2, 5])}
        elif self._chance.random() < 0.6:
            profile["comfort"] = {"level": self._chance.choice(["low", "normal", "high"])}
        if self._chance.random() < 0.15:
            frail: list[Json] = [{"vulnerabilities": ["debt"]}, {"minor": True}]
            profile |= self._chance.choice(frail)
        if self._homes:
            profile["household"] = self._homes[person]
        return self._record("people.profiles", person, profile)

    def _make_cancellation(self) -> Sent:
        if not self._candidates:
            return self._make_candidate()
        known = self._chance.choice(self._candidates[-8:])
        what = {"message": known["id"]} if self._chance.random() < 0.7 else {"campaign": "autumn"}
        return self._told("outreach.cancellations", known["person"], what)

    def _make_control(self) -> Sent:
        if self._held and self._chance.random() < 0.6:
            lifted = self._held.pop(self._chance.randrange(len(self._held)))
            return self._control(
                {"pause": "resume", "stop": "start"}[lifted["action"]], lifted["scope"]
            )
        scope = self._chance.choice(
            [{"campaign": "spring"}, {"channel": "push"}, {"category": "service"}]
        )
        action = self._chance.choice(["pause", "pause", "stop"])
        self._held.append({"action": action, "scope": scope})
        return self._control(action, scope)

    def _control(self, action: str, scope: Mapping[str, str]) -> Sent:
        self._count += 1
        about = {"id": f"k-{self._count}", "by": "ops", "action": action, "scope": scope}
        return self._record("governor.control", "control", {**about, "at": self._written()})

    def _make_stray(self) -> Sent:
        """Feedback on a message that governor never saw."""
        person = self._chance.choice(self._people)
        self._count += 1
        return self._feedback(person, f"elsewhere-{self._count}", "dismissed")

    def _feedback(self, person: str, message: str, kind: str) -> Sent:
        return self._told("outreach.feedback", person, {"message": message, "kind": kind})

    def _make_bad(self) -> Sent:
        """Something that belongs to the dead letters."""
        person = self._chance.choice(self._people)
        made = self._new_candidate() | {"person": person}
        topic = "outreach.candidates"
        trace = (("traceparent", b"00-" + b"1" * 32),)
        bad = self._chance.randrange(5)
        if bad == 0:
            return Sent(topic, person, json.dumps(made).encode()[:-1], trace)
        if bad == 1:
            made["category"] = "unheard-of"
        elif bad == 2:
            made["channel"], _ = "pigeon", made.pop("variants", None)
        elif bad == 3:
            made["created_at"] = self._written(3_600_000)
        else:
            return self._record("people.consents", person, {"person": person, "action": "grant"})
        return Sent(topic, person, json.dumps(made).encode(), trace)

    # --- how it is written

    def _told(self, topic: str, person: str, what: Json, at: int | None = None) -> Sent:
        self._count += 1
        written = self._written() if at is None else self._format(at)
        about = {"id": f"e-{self._count}", "person": person, "at": written}
        return self._record(topic, person, {**about, **what})

    def _record(self, topic: str, key: str, value: Json) -> Sent:
        return Sent(topic, key, json.dumps(value).encode())

    def _written(self, later: int = 0) -> str:
        return self._format(self._now() + later)

    def _format(self, at: int) -> str:
        moment = datetime.fromtimestamp(at / 1_000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

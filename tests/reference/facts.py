"""What has been said and sent, kept whole: every line that was accepted, in order of arrival."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.reference.times import MINUTE, parse_time

CHANNELS = {"email", "sms", "push", "in_app", "web", "whatsapp", "call", "mail"}
SOURCES = {"declared", "observed", "inferred", "third_party"}
ACTIONS = {"grant", "refuse", "withdraw", "object", "unobject", "pause", "resume", "comfort_reset"}
BASES = {"consent", "legitimate_interest", "soft_opt_in", "contract", "legal_obligation"}
KINDS = set(
    "delivered bounced failed opened clicked converted dismissed replied complained "
    "unsubscribed too_much less more human_contacted".split()
)
TOLERANCE = 5 * MINUTE


class Bad(Exception):
    """Data that goes to the dead letters; its text is the reason."""


@dataclass
class Send:
    """One entry of the send log."""

    message: str
    at: int
    attributes: dict[str, Any]
    purpose: str
    counts: bool
    techniques: list[str]
    offer_ends_at: int | None
    exposure: float
    household: str | None = None
    refunded: bool = False
    was_refunded: bool = False


@dataclass
class Message:
    """A candidate that was taken in; `closes` is when its window does, while it gathers."""

    data: dict[str, Any]
    variants: list[dict[str, Any]]
    received: int
    expires_at: int
    not_before: int | None
    cancelled: bool = False
    final: bool = False
    released: bool = False
    attempt: int = 0
    first_review: int | None = None
    last: tuple[Any, ...] | None = None
    eligible_at: int | None = None
    closes: int | None = None

    def rank(self, keys: list[str]) -> tuple[Any, ...]:
        """The place among the messages of one person that are judged at one instant."""
        data = self.data
        places = {
            "priority": -data.get("priority", 50),
            "value": -data.get("value", 0),
            "created_at": parse_time(data["created_at"]),
        }
        return (*[places[key] for key in keys], data["id"])


@dataclass
class Person:
    """Everything on record about one person."""

    consents: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    cancellations: set[str] = field(default_factory=set)
    messages: dict[str, Message] = field(default_factory=dict)
    sends: list[Send] = field(default_factory=list)

    @property
    def profile(self) -> dict[str, Any]:
        """The last profile by `at`, of two the later to arrive."""
        best: dict[str, Any] = {}
        for profile in self.profiles:
            if not best or profile["at"] >= best["at"]:
                best = profile
        return best

    def waiting(self) -> list[Message]:
        """What has no final verdict yet."""
        return [message for message in self.messages.values() if not message.final]

    def sent(self, message: str) -> Send | None:
        """The log entry of a message."""
        return next((send for send in self.sends if send.message == message), None)


def need(data: dict[str, Any], key: str, kind: type = str) -> Any:
    """The value of a required field; Bad("invalid") where it is missing or of another kind."""
    value = data.get(key)
    if not isinstance(value, kind) or value == "":
        raise Bad("invalid")
    return value


def time_of(data: dict[str, Any], key: str, *, required: bool = False) -> int | None:
    """A time field in milliseconds; Bad("invalid") where it can't be read."""
    if data.get(key) is None and not required:
        return None
    try:
        return parse_time(data.get(key))
    except ValueError:
        raise Bad("invalid") from None


def effective_at(data: dict[str, Any], now: int, *, loosens: bool) -> int:
    """The `at` of an event, held to now when it lies too far ahead, refused when it loosens."""
    at = time_of(data, "at", required=True)
    assert at is not None
    if at <= now + TOLERANCE:
        return at
    if loosens:
        raise Bad("future_time")
    return now


def one_of(value: Any, allowed: set[str]) -> Any:
    """The value if it is in the closed list; Bad("invalid") otherwise."""
    if value not in allowed:
        raise Bad("invalid")
    return value


def read_variants(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The variants of a candidate, the short form with a top-level channel spelled out."""
    given = data.get("variants")
    if given is None:
        given = [{"id": "only", "channel": need(data, "channel")}]
    if not isinstance(given, list) or not 1 <= len(given) <= 8:
        raise Bad("invalid")
    variants = []
    for one in given:
        variant = dict(one, id=need(one, "id"), channel=need(one, "channel"))
        variant["offer_ends_at"] = time_of(one, "offer_ends_at")
        variant["uses"] = one.get("uses") or []
        variant["techniques"] = one.get("techniques") or []
        for use in variant["uses"]:
            need(use, "attribute")
            if use.get("source") is not None:
                one_of(use["source"], SOURCES)
        variants.append(variant)
    if len({variant["id"] for variant in variants}) < len(variants):
        raise Bad("invalid")
    return variants


def check_candidate(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Refuse a candidate that is malformed; give its variants."""
    for key in ("id", "person", "campaign", "category"):
        need(data, key)
    if len(data["person"].encode()) > 256:
        raise Bad("invalid")
    time_of(data, "created_at", required=True)
    time_of(data, "not_before")
    time_of(data, "expires_at")
    priority = data.get("priority", 50)
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 100:
        raise Bad("invalid")
    if not isinstance(data.get("value", 0), int | float):
        raise Bad("invalid")
    return read_variants(data)


def named_channels(policy: dict[str, Any]) -> set[str]:
    """The channels that a candidate may name: the usual ones and those of the policy."""
    names = set(CHANNELS) | set((policy.get("intrusiveness") or {}).get("channels") or {})
    entries = list(policy.get("caps") or []) + list(policy.get("quiet_hours") or [])
    for match in [entry.get("match") or {} for entry in entries]:
        value = match.get("channel", [])
        names.update([value] if isinstance(value, str) else value)
    return names

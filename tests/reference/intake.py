"""How each kind of event that is no candidate enters a person's history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.reference.facts import (
    ACTIONS,
    BASES,
    KINDS,
    Bad,
    Person,
    effective_at,
    need,
    one_of,
    time_of,
)


def person_of(data: dict[str, Any]) -> str:
    """The person an event is about."""
    name: str = need(data, "person")
    if len(name.encode()) > 256:
        raise Bad("invalid")
    return name


def control(controls: list[dict[str, Any]], data: dict[str, Any], now: int) -> None:
    """Put a pause or a stop in force, or lift what has exactly that scope, or all."""
    action = one_of(data.get("action"), {"pause", "resume", "stop", "start"})
    need(data, "id")
    effective_at(data, now, loosens=action in ("resume", "start"))
    scope = data.get("scope") or {}
    if action in ("pause", "stop"):
        controls.append({"action": action, "scope": scope})
        return
    lifted = "pause" if action == "resume" else "stop"
    controls[:] = [
        entry
        for entry in controls
        if entry["action"] != lifted or (scope and entry["scope"] != scope)
    ]


def consent(person: Person, data: dict[str, Any], now: int) -> bool:
    """Note a consent change; what it says is silence material too."""
    action = one_of(data.get("action"), ACTIONS)
    if action == "comfort_reset":
        return comfort_reset(person, data, now)
    purpose = need(data, "purpose")
    basis = data.get("basis")
    if basis is not None:
        one_of(basis, BASES)
    if action == "grant" and (basis is None or purpose == "*"):
        raise Bad("invalid")
    expires, until = time_of(data, "expires_at"), time_of(data, "until")
    at = effective_at(data, now, loosens=action in ("grant", "unobject", "resume"))
    evidence = data.get("evidence") or {}
    event = {
        "at": at,
        "action": action,
        "purpose": purpose,
        "channel": data.get("channel"),
        "topic": data.get("topic"),
        "basis": basis,
        "expires_at": expires,
        "until": until,
        "proven": bool(evidence.get("notice_version") and evidence.get("method")),
    }
    person.consents.append(event)
    person.signals.append({"kind": action, "at": at, "channel": event["channel"]})
    return True


def comfort_reset(person: Person, data: dict[str, Any], now: int) -> bool:
    """Note the wish to be known anew; it is about no purpose."""
    if data.get("purpose") not in (None, "*"):
        raise Bad("invalid")
    at = effective_at(data, now, loosens=True)
    person.signals.append({"kind": "comfort_reset", "at": at, "channel": None})
    return True


def profile(person: Person, data: dict[str, Any], now: int) -> bool:
    """Note a profile."""
    person.profiles.append(dict(data, at=effective_at(data, now, loosens=False)))
    return True


def cancellation(person: Person, data: dict[str, Any], now: int) -> bool:
    """Take back one message, also one to come, or what waits of a campaign."""
    effective_at(data, now, loosens=False)
    if data.get("message") is None and data.get("campaign") is None:
        raise Bad("invalid")
    if data.get("message") is not None:
        person.cancellations.add(data["message"])
    for message in person.waiting():
        by_campaign = data.get("message") is None and message.data["campaign"] == data["campaign"]
        if by_campaign or message.data["id"] in person.cancellations:
            message.cancelled = True
    return True


def review(person: Person, data: dict[str, Any], now: int) -> bool:
    """Note an answer."""
    one_of(data.get("answer"), {"approve", "refuse"})
    effective_at(data, now, loosens=False)
    person.answers.append(
        {
            "message": need(data, "message"),
            "reviewer": need(data, "reviewer"),
            "answer": data["answer"],
            "variant": data.get("variant"),
            "received": now,
        }
    )
    return True


def feedback(person: Person, data: dict[str, Any], now: int) -> bool:
    """Note feedback on what was sent or never seen; what was seen and not sent has none."""
    kind = one_of(data.get("kind"), KINDS)
    at = effective_at(data, now, loosens=False)
    sent, known = person.sent(need(data, "message")), person.messages.get(data["message"])
    if known is not None and known.attempt and sent is None:
        return False
    channel = data.get("channel")
    source = f"{data['id']} {data['message']} {kind}"
    person.signals.append({"kind": kind, "at": at, "channel": channel, "source": source})
    if kind in ("unsubscribed", "complained"):
        where = channel if sent is None else sent.attributes["channel"]
        where = None if kind == "complained" else where
        person.signals.append({"kind": "withdraw", "at": at, "channel": where})
        person.consents.append(
            {
                "at": at,
                "action": "withdraw",
                "purpose": "*" if sent is None else sent.purpose,
                "channel": where,
                "topic": None,
                "basis": None,
                "expires_at": None,
                "until": None,
                "proven": False,
            }
        )
    if sent is not None and kind in ("bounced", "failed") and not sent.was_refunded:
        sent.refunded = sent.was_refunded = True
    if sent is not None and kind == "delivered":
        sent.refunded = False
    return True


READERS: dict[str, Callable[[Person, dict[str, Any], int], bool]] = {
    "consent": consent,
    "profile": profile,
    "cancellation": cancellation,
    "review": review,
    "feedback": feedback,
}

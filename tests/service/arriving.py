"""What arrives at a gate in tests, decoded as the worker decodes it."""

from __future__ import annotations

from itertools import count
from typing import Any, cast

from governor.codec.decode import EventKind, decode_event
from governor.core.incoming import Incoming, Told
from governor.core.instant import format_instant
from governor.core.model import Control
from governor.core.policy import Policy
from governor.core.resolution import Resolution
from governor.core.verdict import OUTCOME_NAMES
from governor.service import Arrivals
from tests.core.story import Event, at

_numbers = count(1)

NIGHTS = {"id": "n", "allow": {"mon-sun": "08:00-21:00"}}
CAP = {"id": "c", "limit": 1, "window": "24h", "at_cap": "suppress"}


def asked(id: str = "m", person: str = "p-1", **data: Any) -> Event:
    """Write a candidate."""
    base = {"id": id, "person": person, "campaign": "spring", "category": "promotional"}
    base["created_at"] = "2026-01-01T00:00:00Z"
    return "candidate", base | ({} if "variants" in data else {"channel": "email"}) | data


def said(action: str, person: str = "p-1", when: str = "00:00", **data: Any) -> Event:
    """Write a consent change about marketing."""
    base = {"id": "c", "person": person, "at": format_instant(at(when)), "action": action}
    base |= {"purpose": "marketing"} | ({"basis": "consent"} if action == "grant" else {})
    return "consent", base | data


def steered(action: str, when: str = "00:00", **scope: str) -> Event:
    """Write a control."""
    base = {"id": f"k-{next(_numbers)}", "at": format_instant(at(when)), "by": "ops"}
    base["action"] = action
    return "control", base | {"scope": scope}


def arrivals(policy: Policy, now: int, *events: Event) -> Arrivals:
    """Decode what arrives at *now* (ms)."""
    told: list[Told] = []
    fresh: list[Incoming] = []
    controls: list[Control] = []
    for kind, data in events:
        value = decode_event(cast("EventKind", kind), data, now, policy)
        if isinstance(value, Incoming):
            fresh.append(value)
        elif isinstance(value, Told):
            told.append(value)
        else:
            controls.append(value)
    return Arrivals(told, fresh, controls)


def words(resolutions: list[Resolution]) -> list[str]:
    """Say what was decided: message, outcome and code, and whether it is a repeat."""
    found = []
    for one in resolutions:
        verdict = one.verdict
        parts = [one.incoming.candidate.id, OUTCOME_NAMES[verdict.outcome], verdict.code or ""]
        parts.append("again" if one.repeat else "")
        found.append(" ".join(part for part in parts if part))
    return found

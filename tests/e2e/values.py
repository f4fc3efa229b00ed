"""Values as engines, senders and people would send them."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

_numbers = itertools.count(1)


def moment(seconds: float = 0.0) -> str:
    """The time now, or some seconds from now, as RFC 3339."""
    at = datetime.fromtimestamp(time.time() + seconds, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(written: str) -> float:
    """A written time in seconds since the epoch."""
    return datetime.fromisoformat(written).timestamp()


def candidate(person: str, message: str | None = None, **more: Any) -> Json:
    about = {
        "id": message or f"m-{next(_numbers)}",
        "person": person,
        "campaign": "spring",
        "category": "promotional",
        "created_at": moment(),
    }
    if "variants" not in more:
        about["channel"] = "email"
    return {**about, **more}


def consent(person: str, action: str = "grant", seconds: float = -60.0, **more: Any) -> Json:
    about = {
        "id": f"c-{next(_numbers)}",
        "person": person,
        "at": moment(seconds),
        "action": action,
        "purpose": "marketing",
    }
    if action == "grant":
        about["basis"] = "consent"
    return {**about, **more}


def feedback(person: str, message: str, kind: str, **more: Any) -> Json:
    about = {"id": f"f-{next(_numbers)}", "person": person, "message": message, "kind": kind}
    return {**about, "at": moment(), **more}


def cancellation(person: str, **more: Any) -> Json:
    return {"id": f"x-{next(_numbers)}", "person": person, "at": moment(), **more}


def profile(person: str, **more: Any) -> Json:
    return {"person": person, "at": moment(), **more}


def answer(person: str, message: str, answer: str = "approve", **more: Any) -> Json:
    about = {"id": f"r-{next(_numbers)}", "person": person, "message": message}
    about |= {"reviewer": "ann", "at": moment(), "answer": answer, "reason": "seen"}
    return {**about, **more}


def control(action: str, **scope: str) -> Json:
    about = {"id": f"k-{next(_numbers)}", "at": moment(), "by": "ops", "action": action}
    return {**about, "scope": scope, "reason": "because"}


def closed_zone(*, open_: bool = False) -> str:
    """A time zone in which it is about three at night now, or four in the afternoon."""
    wanted = 16 if open_ else 3
    ahead = (wanted - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT-{ahead}" if ahead >= 0 else f"Etc/GMT+{-ahead}"


def policy(**more: Any) -> Json:
    """A policy that has something of every section that is built."""
    return {
        "version": 1,
        "defaults": {"time_zone": "UTC", "expires_after": "7d"},
        "categories": {
            "promotional": {"purpose": "marketing", "basis": ["consent"]},
            "service": {
                "purpose": "service",
                "basis": ["legitimate_interest"],
                "skips": ["caps"],
            },
            "transactional": {"purpose": "contract", "basis": ["contract"], "counts": False},
        },
        "caps": [
            {
                "id": "promo-per-day",
                "match": {"category": "promotional", "channel": "email"},
                "limit": 1,
                "window": "24h",
                "at_cap": "suppress",
            },
            {
                "id": "push-per-day",
                "match": {"category": "promotional", "channel": "push"},
                "limit": 1,
                "window": "24h",
                "at_cap": "defer",
            },
        ],
        "quiet_hours": [
            {
                "id": "calls",
                "match": {"channel": "call"},
                "allow": {"mon-sun": "12:00-20:00"},
                "outside": "defer",
            }
        ],
        "review": {
            "rules": [{"id": "seen", "when": {"campaign": "reviewed"}}],
            "deadline": "1h",
            "on_deadline": "suppress",
        },
        **more,
    }

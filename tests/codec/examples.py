"""The values of the contract's examples, and what it takes to decode them."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from governor.codec.decode import Headers, Names, decode_candidate
from governor.core.incoming import Incoming
from governor.core.instant import parse_instant

POLICY = cast(
    "Names",
    SimpleNamespace(
        categories={"promotional": None, "service": None},
        channels=frozenset({"email", "sms", "push"}),
    ),
)
AT = parse_instant("2026-05-05T10:00:00Z")

CANDIDATE: dict[str, Any] = {
    "id": "m-1001",
    "person": "p-42",
    "campaign": "spring-sale",
    "category": "promotional",
    "topic": "shoes",
    "household": "h-7",
    "priority": 50,
    "value": 0.8,
    "address_hash": None,
    "created_at": "2026-05-05T10:00:00Z",
    "not_before": None,
    "expires_at": "2026-05-07T00:00:00Z",
    "variants": [
        {
            "id": "personal",
            "channel": "push",
            "uses": [{"attribute": "browsing_history", "source": "observed"}],
            "techniques": ["urgency"],
            "offer_ends_at": "2026-05-06T20:00:00Z",
            "justification": "because you saved these shoes",
            "ai_generated": True,
            "content": {"template": "t-9"},
        },
        {"id": "plain", "channel": "email", "uses": [], "content": {"template": "t-10"}},
    ],
    "model": {"id": "next-best", "version": "3.1", "reasons": ["recent_view"]},
    "payload": {"anything": "passed on untouched"},
}

SHORT: dict[str, Any] = {
    "id": "m-1",
    "person": "p-42",
    "campaign": "spring-sale",
    "category": "promotional",
    "created_at": "2026-05-05T10:00:00Z",
    "channel": "email",
    "content": "hello",
}

ABOUT: dict[str, Any] = {"id": "x-1", "person": "p-42", "at": "2026-05-05T10:00:00Z"}

CANCELLATION = ABOUT | {"message": "m-1001", "reason": "sold out"}
CONSENT = ABOUT | {
    "action": "grant",
    "purpose": "marketing",
    "channel": "email",
    "basis": "consent",
    "expires_at": "2028-05-05T10:00:00Z",
    "evidence": {"notice_version": "7", "method": "form", "source": "web", "text_sha256": "ab"},
    "jurisdiction": "DE",
}
PROFILE = {
    "person": "p-42",
    "at": "2026-05-05T10:00:00Z",
    "time_zone": "Europe/Berlin",
    "country": "DE",
    "born": "1990-12-31",
    "minor": False,
    "vulnerabilities": ["debt"],
    "groups": {"age_band": "25-34"},
    "household": "h-7",
    "comfort": {"level": "low", "max_per_week": 3},
}
FEEDBACK = ABOUT | {"message": "m-1001", "kind": "bounced", "channel": "email"}
REVIEW = ABOUT | {"message": "m-1001", "reviewer": "r-1", "answer": "approve", "reason": "fine"}
CONTROL = {
    "id": "c-1",
    "at": "2026-05-05T10:00:00Z",
    "by": "ops",
    "action": "stop",
    "scope": {"campaign": "spring-sale"},
    "reason": "wrong price",
}

FACTS: dict[str, dict[str, Any]] = {
    "cancellation": CANCELLATION,
    "consent": CONSENT,
    "profile": PROFILE,
    "feedback": FEEDBACK,
    "review": REVIEW,
}


def decoded(
    raw: Mapping[str, Any], headers: Headers = (), key: bytes | None = None, at: int = AT
) -> Incoming:
    """Decode *raw* as the record of a candidate."""
    return decode_candidate(msgspec.json.encode(raw), headers, key, at, POLICY)

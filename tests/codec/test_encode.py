"""What goes out is what the contract promises its readers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from governor.codec import encode
from governor.codec.decode import Headers
from governor.codec.encode import (
    dead_letter_headers,
    decision_headers,
    encode_decision,
    encode_released,
    released_headers,
)
from governor.core.incoming import Incoming
from governor.core.instant import parse_instant
from governor.core.published import Decision, Released
from governor.core.resolution import Resolution
from governor.core.standing import Entry
from governor.core.verdict import Finding, Outcome, Score, Verdict
from tests.codec.examples import CANDIDATE, SHORT, decoded

DECIDED = parse_instant("2026-05-05T10:00:00.120Z")
ELIGIBLE = parse_instant("2026-05-05T16:54:21Z")
TRACE: Headers = [("traceparent", b"00-0af7-b7ad-01"), ("tracestate", b"a=b")]

TOO_INTRUSIVE = Finding(
    "intrusiveness",
    "ceiling",
    "personal",
    Outcome.DEFER,
    "too_intrusive",
    limit=60.0,
    observed=63.2,
    eligible_at=ELIGIBLE,
)
RELEASE = Verdict(
    Outcome.RELEASE, 1, None, None, (TOO_INTRUSIVE,), score=Score(6.0, 50.0, 56.000049, 60.0)
)
ENTRY = Entry(
    1, DECIDED, "promotional", 2, "email", household="h-7", exposure=6.0, variant=1, seq=17
)


def resolved(incoming: Incoming, verdict: Verdict = RELEASE, **more: Any) -> Resolution:
    return Resolution(incoming, "key", verdict, "d-77", "9f3c21d07b44", 1, 17, DECIDED, **more)


def decision_of(resolution: Resolution) -> dict[str, Any]:
    written = encode_decision(resolution, person="a-pseudonym")
    Decision.model_validate(json.loads(written))
    found: dict[str, Any] = json.loads(written)
    return found


def released_of(
    raw: dict[str, Any], index: int = 0, unsubscribe: Any = None, send_before: int | None = None
) -> dict[str, Any]:
    verdict = msgspec.structs.replace(RELEASE, variant=index)
    written = encode_released(resolved(decoded(raw), verdict), unsubscribe, send_before)
    Released.model_validate(json.loads(written))
    found: dict[str, Any] = json.loads(written)
    return found


def test_a_release_is_published_as_the_contract_shows_it() -> None:
    decision = decision_of(resolved(decoded(CANDIDATE), entry=ENTRY))
    added = {name: decision.pop(name) for name in ("variant_index", "digest", "content_digest")}
    assert list(decision.items()) == [
        ("id", "d-77"),
        ("message", "m-1001"),
        ("person", "a-pseudonym"),
        ("campaign", "spring-sale"),
        ("category", "promotional"),
        ("topic", "shoes"),
        ("outcome", "release"),
        ("final", True),
        ("variant", "plain"),
        ("channel", "email"),
        ("code", None),
        ("eligible_at", None),
        ("attempt", 1),
        ("seq", 17),
        ("decided_at", "2026-05-05T10:00:00.120Z"),
        ("policy", "9f3c21d07b44"),
        ("mode", "enforce"),
        (
            "findings",
            [
                {
                    "rule": "intrusiveness",
                    "id": "ceiling",
                    "variant": "personal",
                    "outcome": "defer",
                    "enforced": True,
                    "code": "too_intrusive",
                    "limit": 60.0,
                    "observed": 63.2,
                    "window": None,
                    "eligible_at": "2026-05-05T16:54:21Z",
                }
            ],
        ),
        (
            "intrusiveness",
            {"exposure": 6.0, "pressure": 50.0, "after": 56.0, "ceiling": 60.0},
        ),
        (
            "entry",
            {
                "household": "h-7",
                "counts": True,
                "techniques": [],
                "offer_ends_at": None,
                "exposure": 6.0,
            },
        ),
    ]
    digest = f"{decoded(CANDIDATE).digest:016x}"
    assert added == {"variant_index": 1, "digest": digest, "content_digest": None}


@pytest.mark.parametrize(
    ("outcome", "name", "final"),
    [
        (Outcome.DEFER, "defer", False),
        (Outcome.REVIEW, "review", False),
        (Outcome.SUPPRESS, "suppress", True),
    ],
)
def test_other_outcomes_carry_their_code_and_no_entry(
    outcome: Outcome, name: str, *, final: bool
) -> None:
    eligible_at = ELIGIBLE if outcome is Outcome.DEFER else None
    verdict = Verdict(outcome, 0, "too_intrusive", eligible_at, (TOO_INTRUSIVE,))
    decision = decision_of(resolved(decoded(CANDIDATE), verdict))
    assert (decision["outcome"], decision["final"]) == (name, final)
    assert (decision["variant"], decision["channel"]) == ("personal", "push")
    assert decision["code"] == "too_intrusive"
    assert decision["eligible_at"] == ("2026-05-05T16:54:21Z" if eligible_at else None)
    assert (decision["entry"], decision["intrusiveness"]) == (None, None)


def test_only_so_many_findings_are_remembered_and_all_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encode, "_MOST_REMEMBERED", 2)
    encode._FINDINGS.clear()
    several = tuple(msgspec.structs.replace(TOO_INTRUSIVE, observed=60.0 + n) for n in range(7))
    verdict = Verdict(Outcome.DEFER, 0, "too_intrusive", None, several * 2)
    decision = decision_of(resolved(decoded(CANDIDATE), verdict))
    assert [one["observed"] for one in decision["findings"]] == [60.0 + n for n in range(7)] * 2
    assert len(encode._FINDINGS) <= 2


def test_findings_made_again_are_marked_and_only_those() -> None:
    assert "reconstructed" not in decision_of(resolved(decoded(CANDIDATE), repeat=True))
    assert decision_of(resolved(decoded(CANDIDATE), reconstructed=True))["reconstructed"] is True


def test_an_entry_keeps_what_a_rebuild_needs_to_the_last_digit() -> None:
    offer = parse_instant("2026-05-06T20:00:00.250Z")
    entry = msgspec.structs.replace(
        ENTRY, exposure=6.123456789, techniques=("urgency",), offer_ends_at=offer, counts=False
    )
    written = decision_of(resolved(decoded(CANDIDATE), entry=entry))["entry"]
    assert written == {
        "household": "h-7",
        "counts": False,
        "techniques": ["urgency"],
        "offer_ends_at": "2026-05-06T20:00:00.250Z",
        "exposure": 6.123456789,
    }


def test_released_is_the_candidate_with_the_chosen_variant_alone() -> None:
    whole = {name: content for name, content in CANDIDATE.items() if name != "variants"}
    added = {"decision": "d-77", "send_before": None, "unsubscribe": None}
    assert released_of(CANDIDATE, 1) == whole | added | {
        "variant": "plain",
        "channel": "email",
        "uses": [],
        "content": {"template": "t-10"},
    }
    assert released_of(CANDIDATE, 0) == whole | added | {
        "variant": "personal",
        "channel": "push",
        "uses": [{"attribute": "browsing_history", "source": "observed"}],
        "techniques": ["urgency"],
        "ai_generated": True,
        "content": {"template": "t-9"},
    }


def test_the_short_form_is_released_as_it_came() -> None:
    raw = SHORT | {"offer_ends_at": "2026-05-06T20:00:00Z", "justification": "because"}
    added = {"decision": "d-77", "variant": "only", "send_before": None, "unsubscribe": None}
    assert released_of(raw) == raw | added


def test_fields_of_a_newer_engine_pass_through_and_take_no_others_place() -> None:
    variant = {"id": "a", "channel": "email", "tone": "warm", "campaign": "x", "decision": "y"}
    raw = {name: SHORT[name] for name in SHORT if name not in ("channel", "content")}
    raw |= {"variants": [variant], "brand": {"n": 1}, "variant": "mine", "content": "of the whole"}
    released = released_of(raw)
    assert (released["tone"], released["brand"]) == ("warm", {"n": 1})
    assert released["campaign"] == "spring-sale"
    assert (released["variant"], released["decision"]) == ("a", "d-77")
    assert released["content"] == "of the whole"


def test_a_variants_field_is_never_taken_for_one_that_the_candidate_did_not_carry() -> None:
    own = ("topic", "household", "priority", "value", "not_before", "expires_at", "model")
    odd = dict.fromkeys((*own, "address_hash", "payload", "variants"), "of the variant")
    raw = {name: SHORT[name] for name in SHORT if name not in ("channel", "content", *odd)}
    released = released_of(
        raw | {"variants": [{"id": "a", "channel": "email", "tone": "x", **odd}]}
    )
    assert released["tone"] == "x"
    assert [name for name in odd if name in released] == []


def test_nothing_of_a_refused_variant_reaches_the_sender() -> None:
    raw = json.loads(json.dumps(CANDIDATE))
    raw["variants"][0] |= {"tone": "secret", "content": "secret", "justification": "secret"}
    incoming = decoded(raw)
    released = encode_released(resolved(incoming), None, None)
    assert b"secret" not in released
    assert b"browsing_history" not in released
    assert incoming.raw == raw


def test_the_sender_is_told_by_when_and_how_to_unsubscribe() -> None:
    link = {"url": "https://example.org/u/1", "one_click": True}
    released = released_of(SHORT, 0, link, parse_instant("2026-05-05T19:00:00Z"))
    assert released["send_before"] == "2026-05-05T19:00:00Z"
    assert released["unsubscribe"] == link
    late = released_of(SHORT, 0, None, parse_instant("2026-05-05T19:00:00.5Z"))
    assert late["send_before"] == "2026-05-05T19:00:00.500Z"


@pytest.mark.parametrize(
    ("headers", "kind", "source"),
    [
        (released_headers, "outreach.released.v1", "governor/released"),
        (decision_headers, "outreach.decided.v1", "governor/decisions"),
    ],
)
def test_outgoing_headers_are_those_of_a_cloud_event(headers: Any, kind: str, source: str) -> None:
    written = headers(resolved(decoded(CANDIDATE, TRACE)))
    names = [name for name, _ in written]
    assert len(set(names)) == len(names)
    event = from_binary(KafkaMessage(dict(written), b"p-42", b'{"a": 1}'), JSONFormat())
    assert (event.get_id(), event.get_type(), event.get_source()) == ("d-77", kind, source)
    assert event.get_specversion() == "1.0"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == {"a": 1}
    time = event.get_time()
    assert time is not None
    assert time.isoformat() == "2026-05-05T10:00:00.120000+00:00"
    assert written[-2:] == TRACE


def test_a_sender_can_deduplicate_by_header() -> None:
    headers = dict(released_headers(resolved(decoded(CANDIDATE))))
    assert headers["governor_decision_id"] == b"d-77"
    assert headers["idempotency_key"] == b"m-1001"
    assert "traceparent" not in headers


def test_a_dead_letter_keeps_its_headers_and_says_where_it_came_from() -> None:
    own: Headers = [("b", b"\xff"), ("a", None), ("b", b""), ("dlq_reason", b"invalid")]
    written = dead_letter_headers(own, "oversized", "outreach.candidates", 3, 10**12, DECIDED)
    assert written == [
        *own,
        ("dlq_reason", b"oversized"),
        ("dlq_topic", b"outreach.candidates"),
        ("dlq_partition", b"3"),
        ("dlq_offset", b"1000000000000"),
        ("dlq_at", b"2026-05-05T10:00:00.120Z"),
    ]

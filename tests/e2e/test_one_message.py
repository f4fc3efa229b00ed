"""One message on its way: what is released, what is decided, and in which clothes."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from governor.config import topics
from tests.e2e.collector import Out
from tests.e2e.kit import NAMES, Stage, people
from tests.e2e.values import candidate, consent, instant, moment

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RELEASED_ADDS = {"decision", "variant", "send_before", "unsubscribe"}
DECISION_FIELDS = set(
    "id message person campaign category topic outcome final variant channel code eligible_at "
    "attempt seq decided_at policy mode findings intrusiveness entry".split()
)
FINDING_FIELDS = set(
    "rule id variant outcome enforced code limit observed window eligible_at".split()
)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def of(stage: Stage, topic: str, key: bytes) -> Out:
    [one] = stage.wait_for(lambda: stage.found(topic, lambda out: out.key == key))
    return one


def test_a_candidate_is_released_as_it_came_with_the_chosen_variant_on_top(gate: Stage) -> None:
    [person] = people("one", 1)
    sent: dict[str, Any] = {
        "id": "m-1",
        "person": person,
        "campaign": "spring",
        "category": "promotional",
        "topic": "shoes",
        "priority": 50,
        "created_at": moment(),
        "expires_at": moment(86_400),
        "variants": [
            {"id": "late", "channel": "push", "content": {"template": "t-9"}, "ai_generated": True},
            {
                "id": "plain",
                "channel": "email",
                "uses": [{"attribute": "name", "source": "declared"}],
                "techniques": ["social_proof"],
                "ai_generated": False,
                "content": {"template": "t-10"},
            },
        ],
        "payload": {"big": 123456789012345678901234567890, "small": 1e-300, "half": 0.1, "ö": "\n"},
        "newer_field": [1.0, None, {"deep": True}],
    }
    gate.tell(topics.CONSENTS, consent(person, channel="email"))
    gate.send(topics.CANDIDATES, sent, headers=[("traceparent", TRACE), ("x-own", b"stays here")])
    gate.flush()
    out = of(gate, topics.RELEASED, person.encode())
    decided = of(gate, topics.DECISIONS, NAMES.of(person).encode())
    chosen = sent["variants"][1]
    expected = {name: value for name, value in sent.items() if name != "variants"}
    expected |= {name: value for name, value in chosen.items() if name != "id"}
    released = out.json
    assert {name: released[name] for name in expected} == expected
    assert set(released) == set(expected) | RELEASED_ADDS
    assert released["decision"] == decided.json["id"]
    assert (released["variant"], released["unsubscribe"]) == ("plain", None)
    assert instant(released["send_before"]) == instant(sent["expires_at"])
    assert b"t-9" not in (out.value or b"")
    assert out.header("governor_decision_id") == decided.json["id"].encode()
    assert out.header("idempotency_key") == b"m-1"
    assert out.header("x-own") is None
    _has_event_headers(out, decided.json)
    _has_event_headers(decided, decided.json)


def _has_event_headers(out: Out, decision: dict[str, Any]) -> None:
    assert out.header("traceparent") == TRACE
    assert out.header("content-type") == b"application/json"
    assert out.header("ce_specversion") == b"1.0"
    assert out.header("ce_time") == decision["decided_at"].encode()
    assert out.header("ce_id")
    assert out.header("ce_type")
    assert out.header("ce_source")


def test_a_decision_has_the_contracts_shape_and_no_person_in_it(gate: Stage) -> None:
    [person] = people("shape", 1)
    gate.tell(topics.CONSENTS, consent(person))
    gate.send(topics.CANDIDATES, candidate(person, "m-1", topic="shoes", household="h-7"))
    gate.flush()
    out = of(gate, topics.DECISIONS, NAMES.of(person).encode())
    decision = out.json
    assert set(decision) >= DECISION_FIELDS
    assert "reconstructed" not in decision
    [worker] = gate.workers
    known = {labels["revision"] for labels, _ in worker.metrics()["governor_policy_info"]}
    expected = {
        "message": "m-1",
        "person": NAMES.of(person),
        "campaign": "spring",
        "category": "promotional",
        "topic": "shoes",
        "outcome": "release",
        "final": True,
        "variant": "only",
        "channel": "email",
        "code": None,
        "eligible_at": None,
        "attempt": 1,
        "seq": 2,
        "policy": known.pop(),
        "mode": "enforce",
        "intrusiveness": None,
    }
    assert {name: decision[name] for name in expected} == expected
    assert decision["id"].startswith("d-")
    assert STAMP.fullmatch(decision["decided_at"])
    assert all(set(finding) == FINDING_FIELDS for finding in decision["findings"])
    assert {(f["outcome"], f["code"]) for f in decision["findings"]} == {("release", None)}
    assert {f["rule"] for f in decision["findings"]} >= {"control", "validity", "consent", "caps"}
    assert decision["entry"] | {"household": None} == {
        "household": None,
        "counts": True,
        "techniques": [],
        "offer_ends_at": None,
        "exposure": 0.0,
    }
    assert decision["entry"]["household"] == NAMES.of("h-7")
    assert person.encode() not in (out.value or b"")


def test_a_refused_candidate_has_a_decision_that_says_why_and_nothing_is_released(
    gate: Stage,
) -> None:
    [person] = people("refused", 1)
    gate.send(topics.CANDIDATES, candidate(person, "m-1"), headers=[("traceparent", TRACE)])
    gate.flush()
    out = of(gate, topics.DECISIONS, NAMES.of(person).encode())
    assert (out.json["outcome"], out.json["final"], out.json["code"]) == (
        "suppress",
        True,
        "no_consent",
    )
    assert out.json["entry"] is None
    assert out.header("traceparent") == TRACE
    assert gate.released(person) == []


def test_a_message_that_waited_keeps_the_trace_of_its_first_record(gate: Stage) -> None:
    [person] = people("traced", 1)
    gate.tell(topics.CONSENTS, consent(person))
    later = candidate(person, "m-1", not_before=moment(1.5))
    gate.send(topics.CANDIDATES, later, headers=[("traceparent", TRACE), ("tracestate", b"a=1")])
    gate.flush()
    gate.final(person, "m-1")
    key = NAMES.of(person).encode()
    decided = gate.found(topics.DECISIONS, lambda out: out.key == key)
    assert [one.json["outcome"] for one in decided] == ["defer", "release"]
    assert [one.json["attempt"] for one in decided] == [1, 2]
    out = of(gate, topics.RELEASED, person.encode())
    for one in (*decided, out):
        assert one.header("traceparent") == TRACE
        assert one.header("tracestate") == b"a=1"
    assert out.json["not_before"] == later["not_before"]
    kept = gate.wait_for(lambda: _waiting(gate, key, 2))
    assert {one.key for one in kept} == {key + b"|m-1"}
    assert kept[0].value
    assert person.encode() not in kept[0].value
    assert kept[1].value is None


def _waiting(stage: Stage, key: bytes, count: int) -> list[Out]:
    found = stage.found(topics.WAITING, lambda out: (out.key or b"").startswith(key + b"|"))
    return found if len(found) >= count else []


def test_cloud_events_are_taken_in_binary_and_in_structured_mode(gate: Stage) -> None:
    [binary, structured, coded] = people("events", 3)
    for person in (binary, structured, coded):
        gate.tell(topics.CONSENTS, consent(person))
    attributes = {"specversion": "1.0", "id": "e-1", "source": "/engine", "type": "of.no.matter"}
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    gate.send(
        topics.CANDIDATES,
        candidate(binary, "m-1"),
        headers=[*headers, ("content-type", b"application/json")],
    )
    whole = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    event = {**attributes, "data": candidate(structured, "m-1")}
    gate.send(topics.CANDIDATES, event, key=structured, headers=whole)
    data = base64.b64encode(json.dumps(candidate(coded, "m-1")).encode()).decode()
    event = {**attributes, "data_base64": data}
    gate.send(topics.CANDIDATES, event, key=coded, headers=whole)
    gate.flush()
    for person in (binary, structured, coded):
        assert gate.final(person, "m-1")["outcome"] == "release"
        out = of(gate, topics.RELEASED, person.encode())
        assert out.json["person"] == person
        assert out.header("ce_id") != b"e-1"
        assert out.header("content-type") == b"application/json"


def test_urgent_candidates_are_judged_by_the_same_gate(gate: Stage) -> None:
    [person] = people("urgent", 1)
    code = candidate(person, "m-1", category="transactional", campaign="login", channel="sms")
    gate.send(topics.URGENT, code)
    gate.flush()
    assert gate.final(person, "m-1")["outcome"] == "release"
    assert [one["channel"] for one in gate.released(person)] == ["sms"]


def test_the_same_record_again_is_published_again_and_counted_apart(gate: Stage) -> None:
    [person] = people("again", 1)
    [worker] = gate.workers
    gate.tell(topics.CONSENTS, consent(person))
    sent = candidate(person, "m-1")
    gate.send(topics.CANDIDATES, sent)
    gate.flush()
    first = gate.final(person, "m-1")
    before = worker.metric("governor_repeats_total"), worker.metric("governor_decisions_total")
    gate.send(topics.CANDIDATES, sent)
    gate.flush()
    second = gate.decision(person, "m-1", number=2)
    same = ("id", "outcome", "variant", "channel", "code", "attempt", "seq", "decided_at", "entry")
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert second["reconstructed"] is True
    gate.wait_for(lambda: worker.metric("governor_repeats_total") == before[0] + 1)
    assert worker.metric("governor_decisions_total") == before[1]
    assert [one["decision"] for one in gate.released(person)] == [first["id"]] * 2

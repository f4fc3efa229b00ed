"""What can be seen of a worker: all its metrics, and nowhere the person."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from redis import Redis

from governor.config import topics
from tests.e2e.kit import Stage, people
from tests.e2e.values import answer, candidate, consent, feedback, moment, profile

LABELS = {
    "governor_candidates_total": {"category"},
    "governor_decisions_total": {"outcome", "rule", "channel"},
    "governor_findings_total": {"rule", "id", "outcome", "enforced"},
    "governor_release_seconds_count": {"channel"},
    "governor_batch_seconds_count": {"step"},
    "governor_batch_messages_count": set(),
    "governor_waiting": {"outcome"},
    "governor_waiting_overdue_seconds": set(),
    "governor_conflicts_total": set(),
    "governor_repeats_total": set(),
    "governor_dead_letters_total": {"topic", "reason"},
    "governor_feedback_total": {"kind", "channel"},
    "governor_consent_changes_total": {"action", "purpose"},
    "governor_held_closed_seconds_total": {"cause"},
    "governor_policy_info": {"revision", "state"},
    "governor_partition_lag": {"topic", "partition"},
}


@pytest.mark.parametrize("page", ["/metrics", "/health/live", "/health/ready"])
def test_the_pages_are_there(gate: Stage, page: str) -> None:
    [worker] = gate.workers
    assert worker.ask(page)[0] == 200


def test_every_metric_of_the_contract_is_there_from_the_start(stage: Stage) -> None:
    worker = stage.worker().wait_until_ready()
    stage.wait_for(lambda: "governor_partition_lag" in worker.metrics())
    found = worker.metrics()
    for name, labels in LABELS.items():
        assert found.get(name), f"{name} is missing"
        for given, _ in found[name]:
            assert set(given) == labels
    assert {given["outcome"] for given, _ in found["governor_waiting"]} == {"defer", "review"}
    causes = {given["cause"] for given, _ in found["governor_held_closed_seconds_total"]}
    assert causes >= {"ledger", "policy", "clock", "consents"}
    steps = {given["step"] for given, _ in found["governor_batch_seconds_count"]}
    assert steps == {"load", "decide", "commit", "publish"}
    assert worker.metric("governor_decisions_total") == 0


def test_what_is_decided_is_counted_where_it_belongs(stage: Stage) -> None:
    worker = stage.worker().wait_until_ready()
    [person, stranger] = people("counted", 2)
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.CANDIDATES, candidate(person, "m-1"), candidate(stranger, "m-1"))
    stage.final(person, "m-1")
    stage.tell(topics.CANDIDATES, candidate(person, "m-2"))
    later = candidate(person, "m-3", channel="push", not_before=moment(600))
    shown = candidate(person, "m-4", channel="push", campaign="reviewed")
    stage.tell(topics.CANDIDATES, later, shown)
    stage.tell(topics.FEEDBACK, feedback(person, "m-1", "opened", channel="email"))
    stage.wait_for(lambda: worker.metric("governor_waiting", outcome="defer") == 1)
    stage.wait_for(lambda: worker.metric("governor_feedback_total", kind="opened") == 1)

    def decided(outcome: str, rule: str, channel: str = "email") -> float:
        labels = {"outcome": outcome, "rule": rule, "channel": channel}
        return worker.metric("governor_decisions_total", **labels)

    assert decided("release", "none") == 1
    assert decided("suppress", "consent") == 1
    assert decided("suppress", "caps") == 1
    assert decided("defer", "validity", "push") == 1
    assert decided("review", "oversight", "push") == 1
    assert worker.metric("governor_decisions_total") == 5
    assert worker.metric("governor_candidates_total", category="promotional") == 5
    assert worker.metric("governor_waiting", outcome="review") == 1
    assert worker.metric("governor_release_seconds_count", channel="email") == 1
    assert worker.metric("governor_consent_changes_total", action="grant") == 1
    full = {"rule": "caps", "id": "promo-per-day", "outcome": "suppress", "enforced": "true"}
    assert worker.metric("governor_findings_total", **full) == 1


def test_nobody_is_named_in_metrics_logs_ledger_decisions_or_what_waits(stage: Stage) -> None:
    worker = stage.worker().wait_until_ready()
    person, secret = "zz-person-42", "zz-secret-words"
    hidden = (person, secret, "zz-message", "zz-household", "zz-reviewer")
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.PROFILES, profile(person, household="zz-household", time_zone="Zz/None"))
    more = {"payload": secret, "household": "zz-household", "channel": "push"}
    stage.tell(topics.CANDIDATES, candidate(person, "zz-message-1", **more))
    stage.final(person, "zz-message-1")
    waits = candidate(person, "zz-message-2", not_before=moment(600), **more)
    stage.tell(topics.CANDIDATES, waits, candidate(person, "zz-message-3", campaign="reviewed"))
    stage.tell(topics.CANDIDATES, candidate(person, "zz-message-1", payload=secret + "2"))
    stage.tell(topics.CANDIDATES, candidate(person, category="unheard-of"))
    stage.send(topics.CANDIDATES, json.dumps({"person": person}).encode() + b"}", key=person)
    stage.send(topics.CONSENTS, consent(person), key="zz-person-43")
    stage.flush()
    stage.tell(topics.FEEDBACK, feedback(person, "zz-message-1", "bounced"))
    stage.tell(topics.REVIEWS, answer(person, "zz-message-3", reviewer="zz-reviewer"))
    stage.wait_for(lambda: len(stage.letters(bool)) == 4)
    stage.decision(person, "zz-message-2")
    stage.wait_for(lambda: worker.metric("governor_waiting", outcome="defer") >= 1)

    waiting = stage.found(topics.WAITING)
    decided = stage.found(topics.DECISIONS)
    assert waiting
    assert len(decided) >= 3
    sights = {
        "metrics": worker.ask("/metrics")[1].encode(),
        "health": worker.ask("/health/ready")[1].encode(),
        "log": worker.words.encode(),
        "ledger": ledger(stage),
    }
    for place, sight in sights.items():
        assert sight
        for name in hidden:
            assert name.encode() not in sight, f"{name} in {place}"
    # The ids of messages stand in decisions and in the key of what waits, by the contract.
    for name in (person, secret, "zz-household", "zz-reviewer"):
        for out in (*decided, *waiting):
            assert name.encode() not in (out.key or b"") + (out.value or b""), out.topic
            assert all(name.encode() not in (content or b"") for _, content in out.headers)
    for out in waiting:
        assert b"zz-message" not in (out.value or b"")
    assert worker.stop() == 0
    assert person not in worker.words


def ledger(stage: Stage) -> bytes:
    """Everything that Redis holds under the stage's prefix."""
    with Redis.from_url(stage.settings["GOVERNOR_REDIS"], protocol=2) as redis:
        # Some keys have their prefix inside a hash tag.
        keys = [key for key in cast("Any", redis.scan_iter()) if stage.prefix.encode() in key]
        assert keys
        return b"\n".join(keys) + b"\n".join(_content(redis, key) for key in keys)


def _content(redis: Any, key: bytes) -> bytes:
    kind = redis.type(key)
    if kind == b"string":
        return cast("bytes", redis.get(key))
    if kind == b"hash":
        return repr(redis.hgetall(key)).encode()
    assert kind == b"zset"
    return repr(redis.zrange(key, 0, -1, withscores=True)).encode()

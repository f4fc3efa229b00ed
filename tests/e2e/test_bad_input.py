"""What cannot be judged lands in the dead letters as it came; what can be, is judged."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from governor.config import topics
from tests.e2e.collector import Json, Out
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import Headers, Stage, people
from tests.e2e.values import candidate, consent, feedback, moment, policy, profile

OWN = [("traceparent", b"00-a-b-01"), ("x", b"1"), ("x", b"\xff"), ("empty", None)]
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
MEGABYTES = 5_000_000


def letter(gate: Stage, mark: str) -> Out:
    """The dead letter whose original headers carry *mark*."""
    wanted = ("mark", mark.encode())
    [found] = gate.wait_for(lambda: gate.letters(lambda out: wanted in out.headers))
    return found


def refused(
    gate: Stage,
    topic: str,
    value: Json | bytes,
    reason: str,
    key: str | bytes | None = "",
    headers: Headers = OWN,
) -> None:
    """Send a record and see it come back whole, with why."""
    [mark] = people("mark", 1)
    given = [*headers, ("mark", mark.encode())]
    gate.send(topic, value, key=key, headers=given)
    gate.flush()
    out = letter(gate, mark)
    added = dict(out.headers[len(given) :])
    assert out.headers[: len(given)] == given
    assert added["dlq_reason"] == reason.encode()
    assert added["dlq_topic"] == (gate.prefix + topic).encode()
    assert (added["dlq_partition"] or b"").isdigit()
    assert (added["dlq_offset"] or b"").isdigit()
    assert STAMP.fullmatch(added["dlq_at"] or b"")
    assert set(added) == {"dlq_reason", "dlq_topic", "dlq_partition", "dlq_offset", "dlq_at"}
    assert out.value == (value if isinstance(value, bytes) else json.dumps(value).encode())
    if key == "":
        assert isinstance(value, dict)
        key = value["person"]
    assert out.key == (key.encode() if isinstance(key, str) else key)


FIRST_REASON: dict[str, tuple[str, Any, str]] = {
    "no JSON": (topics.CANDIDATES, b"{nope", "undecodable"),
    "no UTF-8": (topics.CANDIDATES, b'{"id": "\xff"}', "undecodable"),
    "no object": (topics.CANDIDATES, b"[1]", "undecodable"),
    "nothing": (topics.CONSENTS, b"", "undecodable"),
    "deep": (topics.CANDIDATES, b'{"a":' * 90 + b"1" + b"}" * 90, "undecodable"),
    "no campaign": (topics.CANDIDATES, {"campaign": None}, "invalid"),
    "no zone": (topics.CANDIDATES, {"created_at": "2026-05-05T10:00:00"}, "invalid"),
    "long name": (topics.CANDIDATES, {"person": "p" * 4096}, "invalid"),
    "number as id": (topics.CANDIDATES, {"id": 7}, "invalid"),
    "category": (topics.CANDIDATES, {"category": "unheard-of"}, "unknown_category"),
    "channel": (topics.CANDIDATES, {"channel": "pigeon"}, "unknown_channel"),
    "both": (
        topics.CANDIDATES,
        {"category": "unheard-of", "channel": "pigeon"},
        "unknown_category",
    ),
    "candidate ahead": (topics.CANDIDATES, {"created_at": 600.0}, "future_time"),
    "urgent": (topics.URGENT, {"category": "unheard-of"}, "unknown_category"),
}


@pytest.mark.parametrize("case", FIRST_REASON)
def test_a_bad_record_is_put_aside_with_its_bytes_and_its_reason(gate: Stage, case: str) -> None:
    topic, given, reason = FIRST_REASON[case]
    [person] = people("bad", 1)
    if isinstance(given, bytes):
        refused(gate, topic, given, reason, key=person)
        return
    if isinstance(given.get("created_at"), float):
        given = {"created_at": moment(given["created_at"])}
    refused(gate, topic, candidate(person) | given, reason)


def test_the_log_says_what_is_wrong_with_a_candidate_of_the_future(gate: Stage) -> None:
    [person] = people("tomorrow", 1)
    [worker] = gate.workers
    refused(gate, topics.CANDIDATES, candidate(person, created_at=moment(86_400)), "future_time")
    gate.wait_for(lambda: "created_at: is more than 5 minutes ahead" in worker.words)


def test_facts_and_controls_are_refused_for_their_own_reasons(gate: Stage) -> None:
    [person] = people("facts", 1)
    refused(gate, topics.CONSENTS, consent(person, basis=None), "invalid")
    refused(gate, topics.CONSENTS, consent(person, seconds=600), "future_time")
    refused(gate, topics.FEEDBACK, feedback(person, "m", "shrugged"), "invalid")
    refused(gate, topics.PROFILES, {"person": person, "at": "yesterday"}, "invalid")
    refused(gate, topics.CANCELLATIONS, {"id": "x", "person": person, "at": moment()}, "invalid")
    refused(gate, topics.REVIEWS, b"null", "undecodable", key=person)
    stop = {"id": "k", "at": moment(), "by": "ops", "action": "halt", "scope": {}}
    refused(gate, topics.CONTROL, stop, "invalid", key="control")
    misspelt = stop | {"action": "stop", "scope": {"campain": "spring"}}
    refused(gate, topics.CONTROL, misspelt, "invalid", key="control")


def test_a_key_that_is_not_the_person_is_refused_and_no_key_at_all_is_not(gate: Stage) -> None:
    [person, other] = people("keys", 2)
    refused(gate, topics.CANDIDATES, candidate(person), "key_mismatch", key=other)
    refused(gate, topics.CONSENTS, consent(person), "key_mismatch", key=other)
    refused(gate, topics.CANDIDATES, b"{nope", "undecodable", key=None)
    gate.send(topics.CONSENTS, consent(person), key=None)
    gate.flush()
    gate.send(topics.CANDIDATES, candidate(person, "m-1"), key=None)
    gate.flush()
    assert gate.final(person, "m-1")["outcome"] == "release"


def test_a_record_of_five_megabytes_is_put_aside_and_the_next_one_judged(gate: Stage) -> None:
    [person] = people("large", 1)
    for topic in (topics.CANDIDATES, topics.CONSENTS):
        gate.configure(topic, max_message_bytes="9000000")
    large = candidate(person, payload="x" * MEGABYTES)
    refused(gate, topics.CANDIDATES, large, "oversized")
    refused(gate, topics.CANDIDATES, b"x" * MEGABYTES, "undecodable", key=person)
    refused(gate, topics.CONSENTS, consent(person, note="x" * MEGABYTES), "oversized")
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1", payload="x" * 900_000))
    assert gate.final(person, "m-1")["outcome"] == "release"


def test_a_known_id_with_other_content_is_refused_and_changes_nothing(gate: Stage) -> None:
    [person] = people("conflict", 1)
    gate.tell(topics.CONSENTS, consent(person))
    first = candidate(person, "m-1", payload={"n": 1})
    gate.tell(topics.CANDIDATES, first)
    assert gate.final(person, "m-1")["outcome"] == "release"
    refused(gate, topics.CANDIDATES, first | {"payload": {"n": 2}}, "conflicting_id")
    # The same JSON value in other bytes is the same message.
    gate.send(topics.CANDIDATES, json.dumps(first, indent=1).encode(), key=person)
    gate.flush()
    assert gate.decision(person, "m-1", number=2)["reconstructed"] is True
    assert len(gate.decisions(person)) == 2


def test_what_restricts_from_the_future_holds_from_now_on(gate: Stage) -> None:
    [person] = people("ahead", 1)
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CONSENTS, consent(person, "withdraw", seconds=3600))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1"))
    assert gate.final(person, "m-1")["code"] == "consent_withdrawn"
    gate.tell(topics.CONSENTS, consent(person, seconds=200))
    gate.tell(topics.CANDIDATES, candidate(person, "m-2", created_at=moment(200)))
    assert gate.final(person, "m-2")["outcome"] == "release"


def test_what_comes_before_its_profile_or_for_nobody_known_is_accepted(gate: Stage) -> None:
    [person, stranger] = people("first", 2)
    gate.tell(topics.CANCELLATIONS, {"id": "x", "person": stranger, "message": "?", "at": moment()})
    gate.tell(topics.FEEDBACK, feedback(stranger, "never", "opened", unknown_field=[1]))
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1"), candidate(stranger, "m-1"))
    assert gate.final(person, "m-1")["outcome"] == "release"
    assert gate.final(stranger, "m-1")["code"] == "no_consent"
    gate.tell(topics.PROFILES, profile(person, time_zone="Nowhere/Atlantis", locale="x", more=1))
    gate.tell(topics.CANDIDATES, candidate(person, "m-2"))
    assert gate.final(person, "m-2")["code"] == "cap_reached"
    assert gate.letters(lambda out: out.key in (person.encode(), stranger.encode())) == []


def test_nothing_but_bad_records_stops_the_worker_and_nothing_is_lost(stage: Stage) -> None:
    bad = people("garbage", 60)
    for number, name in enumerate(bad):
        stage.send(topics.CANDIDATES, b"{%d" % number, key=name)
    stage.flush()
    worker = stage.worker(dead_letter_limit="50")
    assert worker.wait() == 1
    assert "in a row are unusable" in worker.words.splitlines()[-1]
    published = len(stage.letters(lambda out: True))
    assert sum(end - at for at, end in stage.uncommitted().values()) >= len(bad) - published
    # Somebody looked at it and says: go on.
    stage.worker(dead_letter_limit="0").wait_until_ready()
    stage.wait_for(lambda: {o.key for o in stage.letters(bool)} == {n.encode() for n in bad})
    [person] = people("good", 1)
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.CANDIDATES, candidate(person, "m-1"))
    assert stage.final(person, "m-1")["outcome"] == "release"


def test_a_worker_that_has_judged_before_ends_at_once_and_its_last_words_say_why(
    stage: Stage,
) -> None:
    worker = stage.worker(dead_letter_limit="3").wait_until_ready()
    [person] = people("before", 1)
    stage.tell(topics.CANDIDATES, candidate(person, "m-1"))
    stage.final(person, "m-1")
    # One by one: the first are applied and not yet committed when the limit is reached.
    for _ in range(10):
        stage.send(topics.CANDIDATES, b"{", key=person)
        stage.flush()
    assert worker.wait() == 1
    last = worker.words.splitlines()[-1]
    for words in (
        # Other words tell that it was ended by force.
        "the worker ends: ",
        "records in a row are unusable, the last one `undecodable`",
        f"{stage.prefix}{topics.CANDIDATES}/",
        "GOVERNOR_DEAD_LETTER_LIMIT",
    ):
        assert words in last


def test_good_records_between_bad_ones_keep_the_worker_going(stage: Stage) -> None:
    worker = stage.worker(dead_letter_limit="50").wait_until_ready()
    [person] = people("between", 1)
    for number in range(4):
        for _ in range(40):
            stage.send(topics.CANDIDATES, b"{", key=person)
        stage.tell(topics.CANDIDATES, candidate(person, f"m-{number}"))
        stage.final(person, f"m-{number}")
    stage.wait_for(lambda: len(stage.letters(bool)) == 160)
    assert worker.process.poll() is None
    reason = {"topic": stage.prefix + topics.CANDIDATES, "reason": "undecodable"}
    assert worker.metric("governor_dead_letters_total", **reason) == 160


def test_the_policys_names_decide_what_is_known(make_stage: MakeStage) -> None:
    rules = policy()
    rules["caps"].append({"id": "p", "match": {"channel": "pigeon"}, "limit": 1, "window": "1h"})
    stage = make_stage(rules)
    stage.worker().wait_until_ready()
    [person] = people("pigeon", 1)
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.CANDIDATES, candidate(person, "m-1", channel="pigeon"))
    assert stage.final(person, "m-1")["channel"] == "pigeon"

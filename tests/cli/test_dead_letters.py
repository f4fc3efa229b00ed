"""Dead letters are shown without their content, and tried again as they came, each once."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from governor.codec.encode import dead_letter_headers
from governor.ledger.keys import Pseudonyms
from tests.cli.commands import POLICY, governor, written
from tests.servers import KafkaServer

AT = 1_777_975_200_000
CANDIDATES, FEEDBACK = "outreach.candidates", "outreach.feedback"


@pytest.fixture
def prefix(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen = f"d{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("GOVERNOR_BROKERS", kafka.bootstrap)
    monkeypatch.setenv("GOVERNOR_TOPIC_PREFIX", chosen)
    written("config/policy.yaml", POLICY)
    assert governor("topics", "create", "--partitions", "2").exit_code == 0
    return chosen


def put(
    kafka: KafkaServer,
    prefix: str,
    value: bytes | None,
    reason: str = "invalid",
    key: bytes | None = b"p-1",
    topic: str = CANDIDATES,
    place: tuple[int, int] = (1, 7),
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    added = dead_letter_headers(headers, reason, prefix + topic, *place, AT)
    producer.produce(prefix + "outreach.dead-letters", value, key, 0, headers=list(added))
    assert producer.flush(30) == 0


def read(kafka: KafkaServer, topic: str) -> list[Any]:
    """Return all that is in both partitions of a topic."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reads", "log_level": 0})
    found: list[Any] = []
    try:
        for partition in (0, 1):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            consumer.assign([TopicPartition(topic, partition, low)])
            wanted = len(found) + high - low
            while len(found) < wanted:
                one = consumer.poll(20)
                assert one is not None
                found += [one] if one.error() is None else []
    finally:
        consumer.close()
    return found


def test_letters_are_listed_without_content_or_person(kafka: KafkaServer, prefix: str) -> None:
    put(kafka, prefix, b'{"person": "p-1"}')
    put(kafka, prefix, b"\xff", "undecodable", None, FEEDBACK, (0, 3))
    shown = governor("dead-letters", "list")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        f"0:0  2026-05-05T10:00:00.000Z  invalid  {prefix}{CANDIDATES}[1]@7  17 bytes  3 bytes",
        f"0:1  2026-05-05T10:00:00.000Z  undecodable  {prefix}{FEEDBACK}[0]@3  1 bytes  no key",
    ]
    assert "p-1" not in shown.output
    assert shown.stderr == "2 dead letters\n"


def test_a_key_shows_as_its_pseudonym_where_the_secret_is_known(
    kafka: KafkaServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bytes(range(32))
    monkeypatch.setenv("GOVERNOR_PSEUDONYM_KEY", base64.b64encode(key).decode())
    put(kafka, prefix, b"{}")
    [letter] = json.loads(governor("dead-letters", "list", "--json").stdout)
    assert letter["key"] == Pseudonyms(key).of("p-1")


def test_letters_are_chosen_by_reason_place_and_number(kafka: KafkaServer, prefix: str) -> None:
    for number in range(6):
        put(kafka, prefix, b"%d" % number, "invalid" if number % 2 else "undecodable")

    def offsets(*arguments: str) -> list[int]:
        found = governor("dead-letters", "list", "--json", *arguments)
        return [letter["offset"] for letter in json.loads(found.stdout)]

    assert offsets() == [0, 1, 2, 3, 4, 5]
    assert offsets("--reason", "invalid") == [1, 3, 5]
    assert offsets("--reason", "invalid", "--limit", "2") == [1, 3]
    assert offsets("--offsets", "0:1,0:4-9") == [1, 4, 5]
    assert offsets("--offsets", "1:1") == []


def test_a_retry_publishes_the_letter_as_it_came_once(kafka: KafkaServer, prefix: str) -> None:
    headers = (("b", b"1"), ("a", b"\xff"), ("b", None))
    put(kafka, prefix, b'{"x": "\xc3\xa4"}', headers=headers)
    put(kafka, prefix, b"left", "undecodable")
    result = governor("dead-letters", "retry", "--reason", "invalid", "--yes")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "1 dead letter published again\n"
    [record] = read(kafka, prefix + CANDIDATES)
    assert (record.value(), record.key()) == (b'{"x": "\xc3\xa4"}', b"p-1")
    assert record.partition() == 1
    [*own, (name, _)] = record.headers()
    assert tuple(own) == headers
    assert name == "dlq_retried_at"


def test_null_keys_and_null_values_stay_null(kafka: KafkaServer, prefix: str) -> None:
    put(kafka, prefix, b"x", key=None)
    put(kafka, prefix, None)
    assert governor("dead-letters", "retry", "--yes").exit_code == 0
    records = read(kafka, prefix + CANDIDATES)
    assert [(record.value(), record.key()) for record in records] == [(b"x", None), (None, b"p-1")]


def test_a_letter_with_nothing_in_it_is_left_and_told(kafka: KafkaServer, prefix: str) -> None:
    put(kafka, prefix, None, "undecodable", None)
    result = governor("dead-letters", "retry", "--yes")
    assert result.exit_code == 1
    assert result.stderr == "0:0: left, has neither key nor value\n"


def test_a_letter_that_comes_back_carries_its_last_stay_alone(
    kafka: KafkaServer, prefix: str
) -> None:
    put(kafka, prefix, b"x", headers=(("a", b"1"),))
    assert governor("dead-letters", "retry", "--yes").exit_code == 0
    [record] = read(kafka, prefix + CANDIDATES)
    put(kafka, prefix, b"x", "future_time", headers=tuple(record.headers()), place=(0, 9))
    [_, again] = json.loads(governor("dead-letters", "list", "--json").stdout)
    assert (again["reason"], again["from_offset"]) == ("future_time", 9)
    assert again["retried_at"]
    assert governor("dead-letters", "retry", "--yes", "--offsets", "0:1").exit_code == 0
    records = read(kafka, prefix + CANDIDATES)
    names = sorted([name for name, _ in record.headers()] for record in records)
    assert names == [["a", "dlq_retried_at"]] * 2


def test_a_retry_asks_first(kafka: KafkaServer, prefix: str) -> None:
    put(kafka, prefix, b"x")
    refused = governor("dead-letters", "retry", answer="n\n")
    assert refused.exit_code == 1
    assert f"publish 1 dead letter again to {prefix}{CANDIDATES}?" in refused.stderr
    assert read(kafka, prefix + CANDIDATES) == []
    assert governor("dead-letters", "retry", answer="y\n").exit_code == 0
    assert len(read(kafka, prefix + CANDIDATES)) == 1


def test_a_letter_from_elsewhere_is_left_and_told(kafka: KafkaServer, prefix: str) -> None:
    put(kafka, prefix, b"x", topic="payments")
    put(kafka, prefix, b"x", topic="outreach.dead-letters")
    put(kafka, prefix, b"good")
    result = governor("dead-letters", "retry", "--yes")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"0:0: left, `{prefix}payments` is no topic that governor reads",
        f"0:1: left, `{prefix}outreach.dead-letters` is no topic that governor reads",
    ]
    assert [record.value() for record in read(kafka, prefix + CANDIDATES)] == [b"good"]


def test_without_the_topic_it_says_who_makes_it(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVERNOR_BROKERS", kafka.bootstrap)
    monkeypatch.setenv("GOVERNOR_TOPIC_PREFIX", "nowhere.")
    result = governor("dead-letters", "list")
    assert result.exit_code == 4
    assert "no topic `nowhere.outreach.dead-letters`, `governor topics create`" in result.stderr


def test_explain_reads_the_decisions_topic(kafka: KafkaServer, prefix: str) -> None:
    decision: dict[str, Any] = {
        "message": "m-1",
        "person": "p_x",
        "outcome": "suppress",
        "code": "expired",
    }
    decision |= {"variant": "only", "channel": "email", "eligible_at": None, "attempt": 1}
    decision |= {"decided_at": "2026-05-05T10:00:00.000Z", "policy": "r", "findings": []}
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for message in ("m-1", "m-10", "m-2"):
        value = json.dumps({**decision, "message": message}, separators=(",", ":"))
        producer.produce(prefix + "outreach.decisions", value, "p_x")
    assert producer.flush(30) == 0
    result = governor("explain", "m-1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count(" of p_x") == 1
    assert governor("explain", "m-3").exit_code == 1

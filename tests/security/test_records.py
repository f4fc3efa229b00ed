"""Records on a real broker: packed in any way, forged, retried, and one that cannot be read."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.codec import has_lz4
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer

from governor.config import topics
from governor.stream.intake import LANES
from tests.cli.commands import POLICY, governor, written
from tests.cli.test_dead_letters import put, read
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, consent, feedback
from tests.security.test_names import FORGED
from tests.servers import KafkaServer

SENT_ON = {topics.RELEASED, topics.DECISIONS, topics.WAITING}


@pytest.fixture
def prefix(kafka: KafkaServer, folder: object, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen = f"s{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("GOVERNOR_BROKERS", kafka.bootstrap)
    monkeypatch.setenv("GOVERNOR_TOPIC_PREFIX", chosen)
    written("config/policy.yaml", POLICY)
    assert governor("topics", "create", "--partitions", "2").exit_code == 0
    return chosen


def test_what_is_retried_is_what_governor_reads() -> None:
    assert set(LANES) == topics.INPUTS
    assert not topics.INPUTS & {*SENT_ON, topics.DEAD_LETTERS}


def test_a_dead_letter_never_becomes_a_release(kafka: KafkaServer, prefix: str) -> None:
    """Whoever can write to the dead letters alone must not speak for governor by way of a retry."""
    for topic in (*SENT_ON, topics.DEAD_LETTERS):
        put(kafka, prefix, b'{"id": "m-1"}', topic=topic)
    result = governor("dead-letters", "retry", "--yes")
    assert result.exit_code == 1
    assert result.stderr.count("is no topic that governor reads") == 4
    for topic in SENT_ON:
        assert read(kafka, prefix + topic) == []
    assert len(read(kafka, prefix + topics.DEAD_LETTERS)) == 4


def test_forged_words_of_a_dead_letter_are_shown_harmlessly(
    kafka: KafkaServer, prefix: str
) -> None:
    nasty = b"x\x1b[2J\n0:9  forged line\xc2\x9b\xff"
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for forged in (nasty, b"9" * 5_000, b""):
        headers: list[tuple[str, str | bytes | None]] = [
            (name, forged) for name, _ in FORGED if name.startswith("dlq_")
        ]
        producer.produce(prefix + topics.DEAD_LETTERS, b"x", nasty, 0, headers=headers)
    assert producer.flush(30) == 0
    for arguments in ((), ("--json",), ("--offsets", "0:0-2")):
        result = governor("dead-letters", "list", *arguments)
        assert result.exit_code == 0
        assert all(line.isprintable() for line in result.output.split("\n"))
        assert not [line for line in result.output.split("\n") if line.startswith("0:9")]
    assert governor("dead-letters", "list", "--offsets", "0:" + "9" * 5_000).exit_code == 2
    assert governor("dead-letters", "retry", "--yes").exit_code == 1


def test_a_letter_that_is_refused_again_and_again_goes_round_only_when_somebody_says_so(
    stage: Stage,
) -> None:
    """The worker never reads its own dead letters; each retry adds one letter, not more."""
    worker = stage.worker().wait_until_ready()
    [person] = people("loop", 1)
    loops = [(name, b"outreach.dead-letters") for name, _ in FORGED if name.startswith("dlq_")]
    stage.send(topics.CANDIDATES, b"{", key=person, headers=loops)
    stage.flush()
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.CANDIDATES, candidate(person, "m-1"))
    stage.final(person, "m-1")
    stage.tell(topics.FEEDBACK, feedback(person, "m-1", "opened"))
    stage.wait_for(lambda: worker.metric("governor_feedback_total", kind="opened") == 1)
    [letter] = stage.letters(bool)
    last = dict(letter.headers)
    assert last["dlq_topic"] == (stage.prefix + topics.CANDIDATES).encode()
    assert last["dlq_reason"] == b"undecodable"


def test_forged_headers_do_not_reach_the_sender_on_a_real_broker(stage: Stage) -> None:
    stage.worker().wait_until_ready()
    [person] = people("forged", 1)
    stage.tell(topics.CONSENTS, consent(person))
    # The content type alone means something to governor: that of a structured event is another.
    headers = [one for one in FORGED if one[0] != "content-type"]
    stage.send(topics.CANDIDATES, candidate(person, "m-1"), headers=headers)
    stage.flush()
    stage.final(person, "m-1")
    for topic in (topics.RELEASED, topics.DECISIONS):
        [out] = stage.found(topic)
        assert not [content for _, content in out.headers if b"forged" in (content or b"")]
        assert len({name for name, _ in out.headers}) == len(out.headers)
        assert (
            out.header("ce_id")
            == json.loads(out.value or b"")[
                "decision" if topic == topics.RELEASED else "id"
            ].encode()
        )


CODECS = ["gzip"]
CODECS += ["lz4", "snappy", "zstd"] if has_lz4() else []


def test_records_are_read_however_they_are_packed(stage: Stage) -> None:
    """Producers choose the codec; one that cannot be read would stop every worker."""
    stage.worker().wait_until_ready()
    names = people("packed", len(CODECS))
    stage.tell(topics.CONSENTS, *map(consent, names))
    for name, codec in zip(names, CODECS, strict=True):
        producer = Producer({"bootstrap.servers": stage.brokers, "compression.type": codec})
        asked = candidate(name, "m-1", payload=["x" * 100] * 100)
        producer.produce(stage.prefix + topics.CANDIDATES, json.dumps(asked).encode(), name)
        assert producer.flush(30) == 0
    for name in names:
        assert stage.final(name, "m-1")["outcome"] == "release"


def test_a_worker_can_read_every_codec_of_kafka() -> None:
    if not has_lz4():
        pytest.skip("cramjam is locked and not installed yet: `make setup`")


async def _with_an_odd_header(brokers: str, topic: str, key: str, value: bytes) -> None:
    """Write a record whose header's name is no UTF-8, as clients in other languages can."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    try:
        batch: Any = producer.create_batch()
        batch.append(key=key.encode(), value=value, timestamp=None, headers=[("ZZZZ", b"x")])
        batch.close()
        raw = bytearray(batch._builder.build())
        at = raw.index(b"ZZZZ")
        raw[at : at + 2] = b"\xff\xfe"
        raw[17:21] = struct.pack(">I", calc_crc32c(bytes(raw[21:])))
        batch._builder = SimpleNamespace(
            build=lambda: bytes(raw), size=lambda: len(raw), record_count=lambda: 1, close=bool
        )
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


def test_fail_closed_a_record_that_the_client_cannot_read_stops_the_worker_and_loses_nothing(
    stage: Stage,
) -> None:
    worker = stage.worker().wait_until_ready()
    [person] = people("odd", 1)
    stage.tell(topics.CONSENTS, consent(person))
    topic = stage.prefix + topics.CANDIDATES
    value = json.dumps(candidate(person, "m-1")).encode()
    asyncio.run(_with_an_odd_header(stage.brokers, topic, person, value))
    assert worker.wait(90) != 0
    assert "cannot be read" in worker.words
    assert "kafka-consumer-groups --reset-offsets" in worker.words
    assert stage.uncommitted()[topic, 0] == (0, 1)
    assert stage.released() == []

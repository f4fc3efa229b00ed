"""The outbox publishes everything or says that it did not."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import ConsumerRecord
from aiokafka.partitioner import murmur2 as murmur2_of_the_client
from hypothesis import given
from hypothesis import strategies as st

from governor.stream.producer import (
    NotDeliveredError,
    Outbox,
    Outgoing,
    OversizedError,
    murmur2,
    partition_for,
)
from tests.servers import KafkaServer


async def read(kafka: KafkaServer, topic: str, count: int) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            found: list[ConsumerRecord] = []
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
            return found
    finally:
        await consumer.stop()


def topic_of(kafka: KafkaServer, partitions: int = 4, **config: str) -> str:
    topic = f"out{uuid.uuid4().hex[:8]}"
    kafka.create_topics(topic, partitions=partitions, **config)
    return topic


@given(st.binary(max_size=40))
def test_keys_are_hashed_as_by_the_java_client(key: bytes) -> None:
    assert murmur2(key) & 0x7FFFFFFF == murmur2_of_the_client(key) & 0x7FFFFFFF


def test_a_record_without_a_key_goes_where_it_is_told() -> None:
    assert partition_for(None, 4, otherwise=7) == 3
    assert partition_for(b"p-42", 4, otherwise=7) == partition_for(b"p-42", 4, otherwise=0)


async def test_what_was_sent_is_there_in_order_with_headers_and_times(kafka: KafkaServer) -> None:
    topic = topic_of(kafka)
    records = [
        Outgoing(
            topic, f"p{n % 7}".encode(), f"{n}".encode(), [("n", b"1"), ("n", b"2")], 1_000 + n
        )
        for n in range(5_000)
    ]
    async with Outbox(kafka.bootstrap) as outbox:
        await outbox.send(records)
        await outbox.send([Outgoing(topic, b"p0", None), Outgoing(topic, None, b"keyless")])
    found = await read(kafka, topic, 5_002)
    assert len(found) == 5_002
    for key in {record.key for record in records}:
        of_key = [r for r in found if r.key == key and r.value is not None]
        assert len({r.partition for r in of_key}) == 1
        assert [r.value for r in of_key] == [r.value for r in records if r.key == key]
    first = next(r for r in found if r.value == b"0")
    assert (first.headers, first.timestamp) == ((("n", b"1"), ("n", b"2")), 1_000)
    assert [r.value for r in found if r.key == b"p0"][-1] is None


async def test_a_record_larger_than_a_batch_is_sent_alone(kafka: KafkaServer) -> None:
    topic = topic_of(kafka, partitions=1)
    values = [b"small", b"x" * 900_000, b"last"]
    async with Outbox(kafka.bootstrap) as outbox:
        await outbox.send([Outgoing(topic, b"p", value) for value in values])
    assert [record.value for record in await read(kafka, topic, 3)] == values


async def test_a_record_larger_than_kafka_takes_is_refused_and_all_others_are_taken(
    kafka: KafkaServer,
) -> None:
    topic = topic_of(kafka, partitions=1)
    values = [b"fine", b"x" * 10**6, b"too"]
    async with Outbox(kafka.bootstrap) as outbox:
        with pytest.raises(OversizedError) as refused:
            await outbox.send([Outgoing(topic, b"p", value) for value in values])
        assert [record.value for record in refused.value.records] == [b"x" * 10**6]
        await outbox.send([Outgoing(topic, b"p", b"last")])
    found = [record.value for record in await read(kafka, topic, 3)]
    assert found == [b"fine", b"too", b"last"]


async def test_what_only_this_topic_finds_too_large_is_refused_and_all_else_is_taken(
    kafka: KafkaServer,
) -> None:
    """Also what is too large for it together and not by itself."""
    topic, other = topic_of(kafka, partitions=1, max_message_bytes="5000"), topic_of(kafka)
    values = [bytes([65 + number]) * 2_000 for number in range(8)]
    large = Outgoing(topic, b"p", b"x" * 6_000)
    async with Outbox(kafka.bootstrap) as outbox:
        sent = [Outgoing(topic, b"p", value) for value in values]
        with pytest.raises(OversizedError, match=r"max\.message\.bytes") as refused:
            await outbox.send([*sent[:5], large, *sent[5:], Outgoing(other, b"p", b"x" * 6_000)])
        assert refused.value.records == [large]
    assert [record.value for record in await read(kafka, topic, 8)] == values
    assert len(await read(kafka, other, 1)) == 1


async def test_a_record_just_under_the_limit_is_taken(kafka: KafkaServer) -> None:
    topic = topic_of(kafka, partitions=1)
    async with Outbox(kafka.bootstrap) as outbox:
        await outbox.send([Outgoing(topic, b"p", b"x" * (1_000_000 - 200))])
    assert len(await read(kafka, topic, 1)) == 1


async def test_what_is_not_delivered_is_said_and_the_outbox_recovers(
    own_kafka: KafkaServer,
) -> None:
    topic = topic_of(own_kafka, partitions=1)
    async with Outbox(own_kafka.bootstrap, within=3.0) as outbox:
        await outbox.send([Outgoing(topic, b"p", b"before")])
        own_kafka.kill()
        with pytest.raises(NotDeliveredError):
            await outbox.send([Outgoing(topic, b"p", b"lost")])
        own_kafka.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    await outbox.send([Outgoing(topic, b"p", b"after")])
                except NotDeliveredError:
                    continue
                break
    values = [record.value for record in await read(own_kafka, topic, 2)]
    assert values[0] == b"before"
    assert values[-1] == b"after"

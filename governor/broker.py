"""Short visits to the Kafka broker, for commands: each ends within a bounded time."""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from governor.config.settings import Settings, SettingsInvalid
from governor.config.topics import ROOMY_BYTES

T = TypeVar("T")

PATIENCE = 10.0
"""How long (s) the broker may take for one answer, the first included."""

_READING = 300.0
_AT_ONCE = 500


class BrokerUnavailable(Exception):
    """The broker is away, does not answer, or lacks a topic."""


def visit(settings: Settings, errand: Coroutine[Any, Any, T]) -> T:
    """Run *errand*; whatever is wrong with the broker comes out as BrokerUnavailable."""
    place = ",".join(settings.brokers)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it is said here, once
    try:
        return asyncio.run(errand)
    except TimeoutError:
        raise BrokerUnavailable(f"kafka at {place}: does not answer in time") from None
    except (KafkaError, ConnectionError) as error:
        raise BrokerUnavailable(f"kafka at {place}: {_said(error)}") from None


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect to make and describe topics."""
    client = AIOKafkaAdminClient(**_options(settings))
    try:
        async with asyncio.timeout(PATIENCE):
            await client.start()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Connect to publish, acknowledged by all replicas."""
    producer = AIOKafkaProducer(
        **_options(settings), acks="all", enable_idempotence=True, max_request_size=ROOMY_BYTES
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await producer.start()
        yield producer
    finally:
        await producer.stop()


async def records(settings: Settings, topic: str) -> AsyncGenerator[ConsumerRecord, None]:
    """Yield all that *topic* holds at this moment, partition by partition in its order."""
    consumer = AIOKafkaConsumer(
        **_options(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await consumer.start()
            ends = await _ends(consumer, topic)
        async with asyncio.timeout(_READING):
            async for record in _read(consumer, ends):
                yield record
    finally:
        await consumer.stop()


async def _ends(consumer: AIOKafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    if topic not in await consumer.topics():
        raise BrokerUnavailable(f"kafka: has no topic `{topic}`, `governor topics create` makes it")
    partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return {partition: end for partition, end in ends.items() if starts[partition] < end}


async def _read(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> AsyncIterator[ConsumerRecord]:
    for partition, end in sorted(ends.items()):
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        while await consumer.position(partition) < end:
            async with asyncio.timeout(PATIENCE):
                found = await consumer.getmany(partition, timeout_ms=500, max_records=_AT_ONCE)
            for record in found.get(partition, ()):
                if record.offset < end:
                    yield record


def _options(settings: Settings) -> dict[str, Any]:
    try:
        chosen = settings.kafka.client_options()
    except (ssl.SSLError, OSError) as error:
        raise SettingsInvalid([f"GOVERNOR_KAFKA_SSL_CERTFILE: cannot be used: {error}"]) from None
    return {
        "bootstrap_servers": list(settings.brokers),
        "client_id": "governor",
        "request_timeout_ms": int(PATIENCE * 1_000),
        **chosen,
    }


def _said(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:200].rstrip(".")

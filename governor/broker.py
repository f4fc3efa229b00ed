"""Short visits to the Kafka broker, for commands: each ends within a bounded time."""

import asyncio
import logging
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from governor.config.settings import Settings, SettingsInvalid
from governor.config.topics import DECISIONS, ROOMY_BYTES, TOPICS

T = TypeVar("T")

PATIENCE = 10.0
"""How long (s) the broker may take for one answer, the first included."""

_READING = 300.0
_AT_ONCE = 500
# A fetch under way for one partition keeps the next one waiting for so long.
_GLANCE_MS = 20


class BrokerUnavailable(Exception):
    """The broker is away, does not answer, or lacks a topic."""


@contextmanager
def _answering(settings: Settings) -> Iterator[None]:
    """Say in one way whatever is wrong with the broker."""
    place = ",".join(settings.brokers)
    try:
        yield
    except TimeoutError:
        raise BrokerUnavailable(f"kafka at {place}: does not answer in time") from None
    except (KafkaError, ConnectionError) as error:
        raise BrokerUnavailable(f"kafka at {place}: {_said(error)}") from None


def visit(settings: Settings, errand: Coroutine[Any, Any, T]) -> T:
    """Run *errand*; whatever is wrong with the broker comes out as BrokerUnavailable."""
    client_log = logging.getLogger("aiokafka")
    level = client_log.level
    client_log.setLevel(logging.CRITICAL)  # what is wrong is said here, once
    try:
        with _answering(settings):
            return asyncio.run(errand)
    finally:
        client_log.setLevel(level)


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


async def partition_counts(client: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Return how many partitions those of *names* have that are on the broker and ready."""
    found = {topic["topic"]: topic for topic in await client.describe_topics()}
    return {
        name: len(found[name]["partitions"])
        for name in names
        if name in found and not found[name]["error_code"]
    }


async def has_begun(settings: Settings) -> bool:
    """Tell whether the group of *settings* has applied anything, or anything was ever decided.

    Raises BrokerUnavailable.
    """
    prefix = settings.topic_prefix
    with _answering(settings):
        async with administration(settings) as client, asyncio.timeout(PATIENCE):
            numbers = await partition_counts(client, [prefix + topic.name for topic in TOPICS])
            asked = [TopicPartition(name, one) for name in numbers for one in range(numbers[name])]
            offsets = await client.list_consumer_group_offsets(settings.group, partitions=asked)
    if any(found.offset is not None and found.offset > 0 for found in offsets.values()):
        return True
    async with aclosing(records(settings, prefix + DECISIONS)) as every:
        async for _record in every:
            return True
    return False


async def records(settings: Settings, topic: str) -> AsyncGenerator[ConsumerRecord, None]:
    """Yield all that *topic* holds at this moment, partition by partition in its order."""
    async with reading(settings, [topic]) as logs, aclosing(logs.records(topic)) as every:
        async for record in every:
            yield record


@asynccontextmanager
async def reading(
    settings: Settings, names: Collection[str], within: float = _READING
) -> AsyncIterator["TopicLogs"]:
    """Connect to read *names*, all of which must be there, for *within* seconds at most.

    Whatever is wrong with the broker comes out as BrokerUnavailable.
    """
    with _answering(settings):
        async with administration(settings) as client, asyncio.timeout(PATIENCE):
            numbers = await partition_counts(client, names)
        for absent in sorted(set(names) - set(numbers)):
            raise BrokerUnavailable(
                f"kafka: has no topic `{absent}`, `governor topics create` makes it"
            )
        consumer = AIOKafkaConsumer(
            **_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention overtakes the reading
            fetch_max_wait_ms=_GLANCE_MS,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await consumer.start()
            await asyncio.sleep(0)  # a client that is stopped before its tasks have run fails
            async with asyncio.timeout(within):
                yield TopicLogs(consumer, numbers)
        finally:
            await consumer.stop()


class TopicLogs:
    """Topics as logs that can be read from any place, one after the other."""

    def __init__(self, consumer: AIOKafkaConsumer, numbers: Mapping[str, int]) -> None:
        self._consumer = consumer
        self._numbers = numbers

    async def records(
        self,
        topic: str,
        *,
        since: int | None = None,
        offsets: Mapping[int, int] | None = None,
    ) -> AsyncGenerator[ConsumerRecord, None]:
        """Yield what *topic* holds at this moment, partition by partition in its order.

        From the first record at *since* (ms) or after it, or from the *offsets* of partitions;
        what they do not name is read from its beginning.
        """
        async with asyncio.timeout(PATIENCE):
            partitions = [TopicPartition(topic, one) for one in range(self._numbers[topic])]
            ends = await _ends(self._consumer, partitions)
            starts = await _starts(self._consumer, ends, since, offsets or {})
        async for record in _read(self._consumer, starts, ends):
            yield record


async def _starts(
    consumer: AIOKafkaConsumer,
    ends: Mapping[TopicPartition, int],
    since: int | None,
    offsets: Mapping[int, int],
) -> dict[TopicPartition, int]:
    starts = await consumer.beginning_offsets(list(ends)) if ends else {}
    for each, start in starts.items():
        starts[each] = max(start, offsets.get(each.partition, start))
    if since is not None and ends:
        found = await consumer.offsets_for_times(dict.fromkeys(ends, since))
        for each, at in found.items():
            starts[each] = ends[each] if at is None else at.offset
    return dict(starts)


async def _ends(
    consumer: AIOKafkaConsumer, topic: list[TopicPartition]
) -> dict[TopicPartition, int]:
    consumer.assign(topic)
    starts = await consumer.beginning_offsets(topic)
    ends = await consumer.end_offsets(topic)
    return {partition: end for partition, end in ends.items() if starts[partition] < end}


async def _read(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> AsyncIterator[ConsumerRecord]:
    for partition, end in sorted(ends.items()):
        consumer.assign([partition])
        consumer.seek(partition, starts[partition])
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
    if isinstance(error, KafkaConnectionError | ConnectionError):
        return "cannot be reached"
    text = str(error) or type(error).__name__
    return text[:200].rstrip(".")

"""Publishes: every record is acknowledged by all in-sync replicas before `send` returns."""

import asyncio
import logging
import random
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from governor.stream.repair import repair_client

log = logging.getLogger(__name__)

BATCH_BYTES: Final = 512 * 1024
RECORD_BYTES: Final = 1_000_000
"""What Kafka takes by default, its own framing left out."""
_FRAMING: Final = 128
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A record to publish; without a timestamp (milliseconds) it gets the time of sending."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int | None = None


class NotDeliveredError(Exception):
    """Not every record was acknowledged; any of them may have been."""


class OversizedError(Exception):
    """Some records are larger than their topics take; all others were acknowledged."""

    def __init__(self, records: Sequence[Outgoing]) -> None:
        largest = max(records, key=size)
        super().__init__(
            f"{largest.topic}: takes no record of {size(largest)} bytes, raise `max.message.bytes`"
        )
        self.records = records


def size(record: Outgoing) -> int:
    """Return how many bytes a record takes at most."""
    headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _FRAMING


@lru_cache(maxsize=65_536)
def murmur2(key: bytes) -> int:
    """Return the hash by which Java's client chooses a partition."""
    factor, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(key)
    value = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for (word,) in struct.iter_unpack("<I", key[:whole]):
        mixed = (word * factor) & mask
        value = (value * factor ^ (mixed ^ mixed >> 24) * factor) & mask
    if length & 3:
        value = ((value ^ int.from_bytes(key[whole:], "little")) * factor) & mask
    value = ((value ^ (value >> 13)) * factor) & mask
    return value ^ (value >> 15)


def partition_for(key: bytes | None, count: int, otherwise: int) -> int:
    """Return the partition of a key as Java's client does; *otherwise* that of no key."""
    return otherwise % count if key is None else (murmur2(key) & 0x7FFFFFFF) % count


class Outbox:
    """Sends records in order per partition and waits for all of them.

    The client cannot go on after a lost sequence number, and what it still holds after a failure
    must not arrive behind what is sent later. So after any failure it is closed, and the next
    `send` begins with a new one.
    """

    def __init__(
        self,
        brokers: str,
        *,
        security: Mapping[str, Any] | None = None,
        client_id: str = "governor",
        within: float = 20.0,
        record_bytes: int = RECORD_BYTES,
    ) -> None:
        if record_bytes < BATCH_BYTES:
            # Else what is too large could share its batch with records that are not.
            raise ValueError(f"record_bytes is {record_bytes}, it must be at least {BATCH_BYTES}")
        self._settings: dict[str, Any] = {
            "bootstrap_servers": brokers,
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": max(record_bytes, BATCH_BYTES) + 48_576,
            # Longer than a broker needs to restart, so that this much is ridden out.
            "request_timeout_ms": round(within * 1000),
            **(security or {}),
        }
        self._within = within
        self._record_bytes = record_bytes
        self._producer: AIOKafkaProducer | None = None
        self._failed = False
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; nothing is left to send."""
        async with self._lock:
            await self._retire()

    async def ready(self) -> None:
        """Return when there is a client to send with; raise NotDeliveredError when none comes."""
        try:
            await self._ready()
        except (KafkaError, TimeoutError) as error:
            raise NotDeliveredError(f"no client: {error!r}") from error

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Publish all records and return when the broker has acknowledged every one.

        Raises OversizedError when all are but some that are too large for their topics, and
        NotDeliveredError when it is not known of each.
        """
        refused: list[Outgoing] = []
        for these in await self._publish(records):
            refused += await self._in_halves(these)
        if refused:
            raise OversizedError(refused)

    async def _in_halves(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Publish in order what was too large together; return what is too large by itself."""
        if len(records) == 1:
            return list(records)
        half = len(records) // 2
        refused: list[Outgoing] = []
        for part in (records[:half], records[half:]):
            for these in await self._publish(part):
                refused += await self._in_halves(these)
        return refused

    async def _publish(self, records: Sequence[Outgoing]) -> list[Sequence[Outgoing]]:
        """Publish records; return those of each partition whose topic finds them too large."""
        if not records:
            return []
        refused: list[Sequence[Outgoing]] = []

        async def deliver(where: tuple[str, int], those: Sequence[Outgoing]) -> None:
            try:
                too_large = await self._deliver(producer, *where, those)
                refused.extend([record] for record in too_large)
            except _TOO_LARGE:
                self._fail(producer)
                refused.append(those)

        producer: AIOKafkaProducer | None = None
        try:
            producer = await self._ready()
            async with asyncio.timeout(2 * self._within):
                grouped = await _by_partition(producer, records)
                await asyncio.gather(*(deliver(*each) for each in grouped.items()))
        except (KafkaError, TimeoutError) as error:
            self._fail(producer)
            raise NotDeliveredError(f"{len(records)} records: {error!r}") from error
        except BaseException:
            self._fail(producer)
            raise
        return refused

    def _fail(self, producer: AIOKafkaProducer | None) -> None:
        """Let the next begin anew; what fails late leaves alone what others have begun since."""
        self._failed = self._failed or producer is self._producer

    async def _deliver(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Outgoing]
    ) -> list[Outgoing]:
        """Publish records of one partition; return those too large to be tried at all."""
        delivered, refused = [], []
        batch = producer.create_batch()
        for record in records:
            written = _append(batch, record)
            if written is None:
                delivered.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                # The first record of a batch always fits, however large.
                written = _append(batch, record)
            # What is larger than a batch stands alone in its own. The batch knows the size, which
            # costs less than to reckon it for every record.
            if written.size + _FRAMING > self._record_bytes:
                refused.append(record)
                batch = producer.create_batch()
        if batch.record_count():
            delivered.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*delivered)
        return refused

    async def _ready(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._failed:
                await self._retire()
            if self._producer is None:
                repair_client()
                producer = AIOKafkaProducer(**self._settings)
                try:
                    async with asyncio.timeout(self._within):
                        await producer.start()
                except BaseException:
                    await _stop(producer, self._within)
                    raise
                self._producer = producer
            return self._producer

    async def _retire(self) -> None:
        producer, self._producer = self._producer, None
        self._failed = False
        if producer is not None and not await _stop(producer, 2 * self._within):
            raise NotDeliveredError("the producer that failed does not end")


async def _stop(producer: AIOKafkaProducer, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            await producer.stop()
    except TimeoutError:
        return False
    except KafkaError as error:
        log.warning("closing the producer: %r", error)
    return True


async def _by_partition(
    producer: AIOKafkaProducer, records: Sequence[Outgoing]
) -> dict[tuple[str, int], list[Outgoing]]:
    partitions = {
        topic: sorted(await producer.partitions_for(topic))
        for topic in {record.topic for record in records}
    }
    keyless = random.randrange(1 << 30)  # noqa: S311 - spreads load, guards nothing
    grouped: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
    for record in records:
        known = partitions[record.topic]
        partition = known[partition_for(record.key, len(known), keyless)]
        grouped[record.topic, partition].append(record)
    return grouped


def _append(batch: Any, record: Outgoing) -> Any:
    return batch.append(
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
    )

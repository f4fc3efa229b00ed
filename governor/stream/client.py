"""The Kafka client in its own thread: fetching, seeking and asking for offsets."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, UnsupportedCodecError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.threads import MethodQueue
from mode.utils.futures import maybe_set_exception

from governor.stream.assignment import Seen
from governor.stream.fetch import Partition, Record
from governor.stream.repair import repair_client
from governor.stream.watchdog import StuckError

Batches = Mapping[Partition, Sequence[Record]]


class ClientThread(AIOKafkaConsumerThread):
    """Runs the client; its coroutines belong to the thread's loop, use `call_thread`."""

    _method_queue: MethodQueue | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: set[asyncio.Future[Any]] = set()

    @property
    def method_queue(self) -> MethodQueue:
        """The calls into the thread: enough at a time that a slow one never holds up a commit."""
        if self._method_queue is None:
            self._method_queue = MethodQueue(
                num_workers=8, loop=self.thread_loop, beacon=self.beacon
            )
        return self._method_queue

    async def call_thread(self, fun: Callable[..., Awaitable[Any]], *args: Any, **kw: Any) -> Any:
        """Call *fun* in the thread; raise ConsumerStoppedError when that ends without an answer.

        After a crash the thread ends before the worker does, and mode leaves alone whoever has
        asked it for something: the worker would wait until it is ended by force.
        """
        if self._shutdown.is_set():
            raise ConsumerStoppedError
        answer = self.parent_loop.create_future()
        self._asked.add(answer)
        try:
            await self.method_queue.call(answer, fun, *args, **kw)
            return await answer
        finally:
            self._asked.discard(answer)

    async def commit(self, offsets: Mapping[Any, int]) -> bool:
        """Commit; False also when the thread ends before it is done."""
        try:
            return bool(await super().commit(offsets))
        except ConsumerStoppedError:
            return False

    def set_shutdown(self) -> None:
        """Say that the thread has ended, also to those who wait for its answer."""
        super().set_shutdown()
        self.parent_loop.call_soon_threadsafe(self._answer_no_more)

    def _answer_no_more(self) -> None:
        for answer in self._asked:
            maybe_set_exception(answer, ConsumerStoppedError())

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        repair_client()
        settings = transport.settings
        return AIOKafkaConsumer(
            bootstrap_servers=settings.brokers,
            group_id=settings.group,
            group_instance_id=settings.instance,
            client_id=settings.client_id,
            # All topics of a person have as many partitions, so this gives one worker all of them.
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=settings.max_records,
            # Only the watchdogs judge progress: a worker that holds on purpose keeps its place.
            max_poll_interval_ms=86_400_000,
            # A partition that is not in the request under way waits for its end, and so does
            # a question for offsets, which a replay asks all the time.
            fetch_max_wait_ms=10 if settings.record_clock else 100,
            # A withdrawal may lie in a partition that was added a moment ago.
            metadata_max_age_ms=2_000,
            session_timeout_ms=round(settings.session_timeout * 1000),
            heartbeat_interval_ms=round(settings.session_timeout * 100),
            rebalance_timeout_ms=30_000,
            **settings.security,
        )

    async def fetch(
        self, partitions: Iterable[Partition], within: float
    ) -> tuple[Batches, Mapping[Partition, Seen]]:
        """Return buffered records, or wait for some, and how far each partition then is.

        Raises what the client has to say about its group.
        """
        client = self._ensure_consumer()
        if not self.consumer.flow_active:
            return {}, {}
        try:
            found = await client.getmany(
                *(TopicPartition(*each) for each in partitions), timeout_ms=round(within * 1000)
            )
        except (UnicodeDecodeError, UnsupportedCodecError) as error:
            raise StuckError(_unreadable(partitions, error)) from error
        return {Partition(*each): records for each, records in found.items()}, _seen(client)

    async def committed(self) -> dict[Partition, int | None]:
        """Return what the group has committed of the partitions assigned now."""
        client = self._ensure_consumer()
        assigned = sorted(client.assignment())
        offsets = await asyncio.gather(*(client.committed(each) for each in assigned))
        return {Partition(*each): at for each, at in zip(assigned, offsets, strict=True)}

    async def seek_to(self, starts: Mapping[Partition, int | None]) -> None:
        """Move to the offsets; None is the beginning, which a commit that is not there means."""
        client = self._ensure_consumer()
        uncommitted = []
        for partition, offset in starts.items():
            if offset is None:
                uncommitted.append(TopicPartition(*partition))
            else:
                client.seek(TopicPartition(*partition), offset)
        if uncommitted and not await client.seek_to_beginning(*uncommitted):
            raise StuckError(f"cannot seek to the beginning of {uncommitted}")

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Ask the broker where the partitions end now."""
        wanted = [TopicPartition(*each) for each in partitions]
        ends = await self._ensure_consumer().end_offsets(wanted) if wanted else {}
        return {Partition(*each): end for each, end in ends.items()}

    async def others(self, topics: Iterable[str]) -> dict[Partition, tuple[int, int]]:
        """Return what the group has committed, and the end, of partitions owned by others."""
        client = self._ensure_consumer()
        own = client.assignment()
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in client.partitions_for_topic(topic) or ()
        ]
        others = [each for each in partitions if each not in own]
        if not others:
            return {}
        commits = await client._coordinator.fetch_committed_offsets(others)
        ends = await client.end_offsets(others)
        return {
            Partition(*each): (max(0, commits[each].offset) if each in commits else 0, ends[each])
            for each in others
        }


def _unreadable(partitions: Iterable[Partition], error: Exception) -> str:
    """Say where a record is that the client itself cannot take apart, and how to pass over it."""
    places = ", ".join(f"{topic}/{number}" for topic, number in sorted(partitions))
    return (
        f"kafka: a record of {places} cannot be read: {error}; it is kept, and so is all behind it:"
        " repair what produces it, `kafka-consumer-groups --reset-offsets` passes over it"
    )


def _seen(client: AIOKafkaConsumer) -> dict[Partition, Seen]:
    subscription = client._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return {}
    seen = {}
    for each in subscription.assignment.tps:
        state = subscription.assignment.state_value(each)
        position = state.position if state.has_valid_position else None
        # Of a transaction that is still open nothing can be read yet.
        open_ended = state.lso is None or state.lso < 0
        reaches = state.highwater if open_ended else state.lso
        seen[Partition(*each)] = Seen(position, reaches, state.timestamp)
    return seen

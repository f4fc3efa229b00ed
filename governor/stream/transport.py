"""Plugs governor into Faust: one fetch is one item, and nothing is let go before it is applied."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from aiokafka.errors import ConsumerStoppedError, IllegalStateError
from faust.transport.drivers import aiokafka as driver
from mode import Service

from governor.stream.assignment import Assignment, Changes, Seen
from governor.stream.client import Batches, ClientThread
from governor.stream.fetch import Fetch, Partition
from governor.stream.order import Order
from governor.stream.settings import StreamSettings
from governor.stream.watchdog import LagWatch, StuckError, coordination_fault, watch

log = logging.getLogger(__name__)


class Consumer(driver.Consumer):
    """Fetches, hands out and commits; rebalancing, streams and services stay Faust's own.

    INVARIANT (nothing-lost): a fetch can overlap a whole rebalance and return records of the new
    assignment. So each rebalance raises `_epoch`; a fetch that began in an older one is dropped,
    and before a channel fetches again it seeks back to what is applied.
    """

    _thread: ClientThread

    def __init__(self, transport: "Transport", *args: Any, **kwargs: Any) -> None:
        self.settings = transport.settings
        self.assigned = Assignment()
        self.applied = 0
        self.commits = 0
        self.began = time.monotonic()
        self.assigned_at: float | None = None
        self._order = transport.order
        self._epoch = 0
        self._sought: dict[str, int] = {}
        self._changed = Changes()
        self._commit_refused = False
        self._since_commit = 0
        super().__init__(transport, *args, **kwargs)

    def _new_consumer_thread(self) -> ClientThread:
        return ClientThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Service) -> None:
        channels = [
            asyncio.ensure_future(self._serve(channel, fetcher)) for channel in self._order.channels
        ]
        try:
            await asyncio.gather(*channels)
        except (ConsumerStoppedError, asyncio.CancelledError):
            # In a rebalance Faust takes the latter for a crash, also of who is told to stop.
            if not self.transport.app.should_stop:
                raise
        finally:
            for task in channels:
                task.cancel()
            await asyncio.gather(*channels, return_exceptions=True)

    async def _serve(self, channel: str, fetcher: Service) -> None:
        while not (self.should_stop or fetcher.should_stop):
            epoch = await self._ready(channel)
            if epoch != self._epoch:
                continue
            wanted = self._order.wanted(channel, self.assigned)
            if not wanted:
                await self._changed.wait(0.5)
                continue
            found, seen = await self._thread.call_thread(
                self._thread.fetch, wanted, self.settings.fetch_within
            )
            own = {each: seen[each] for each in wanted if each in seen}
            if epoch == self._epoch and self.assigned.begin_again(found, own):
                self._epoch += 1
                self._changed.tell()
            if epoch == self._epoch:
                self._take_in(channel, found, own, seen)
                await self._hand_out(channel)

    async def _ready(self, channel: str) -> int:
        """Wait until the channel may fetch; return the epoch in which it may."""
        while not self.flow_active and not self.should_stop:
            await self.wait(self.can_resume_flow)
        epoch = self._epoch
        if self._sought.get(channel) != epoch:
            self._order.forget(channel)
            wanted = self._order.wanted(channel, self.assigned)
            starts = {each: self.assigned[each].applied_to for each in wanted}
            try:
                await self._thread.call_thread(self._thread.seek_to, starts)
            except (IllegalStateError, StuckError):
                if epoch == self._epoch:
                    raise
            if epoch == self._epoch:
                self._sought[channel] = epoch
        await self._room(channel)
        return epoch

    def _take_in(
        self,
        channel: str,
        found: Batches,
        own: Mapping[Partition, Seen],
        seen: Mapping[Partition, Seen],
    ) -> None:
        now = time.monotonic()
        self._order.add(channel, self.assigned.admit(found, own, now))
        self.assigned.heard({each: seen[each] for each in seen.keys() - own.keys()}, now)
        self._changed.tell()

    async def _hand_out(self, channel: str) -> None:
        epoch = self._epoch
        while True:
            records = await self._order.take(channel, self)
            await self._room(channel)
            if epoch != self._epoch or not records:
                return
            target = self.transport.channels[channel]
            if not target.subscriber_count:
                raise StuckError(f"no agent reads channel `{channel}`")
            await target.put(self.assigned.hand_out(channel, records))

    async def _room(self, channel: str) -> None:
        await self.until(lambda: self.assigned.in_flight(channel) < self.settings.in_flight)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until *reached*, or until a rebalance or the end makes it pointless."""
        epoch = self._epoch
        while epoch == self._epoch and not self.should_stop and not reached():
            await self._changed.wait(0.5)

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Ask the broker where partitions end now."""
        ends: dict[Partition, int] = await self._thread.call_thread(
            self._thread.ends, list(partitions)
        )
        return ends

    async def others(self, topics: Iterable[str]) -> dict[Partition, tuple[int, int]]:
        """Ask what the group has committed, and the end, of partitions owned by others."""
        found: dict[Partition, tuple[int, int]] = await self._thread.call_thread(
            self._thread.others, list(topics)
        )
        return found

    def abandon(self, fetch: Fetch) -> None:
        """Give up a fetch whose work failed; nothing after it is committed either."""
        self.assigned.abandon(fetch)
        self._changed.tell()

    def acknowledge(self, fetch: Fetch) -> bool:
        """Count a fetch as applied, with all that came of it; False when it no longer counts."""
        counted = self.assigned.acknowledge(fetch)
        if counted:
            self.applied += len(fetch.records)
            self._since_commit += len(fetch.records)
            if self.settings.record_clock or self._since_commit >= self.settings.commit_every:
                self._since_commit = 0
                self.add_future(self.commit())
        self._changed.tell()
        return counted

    async def force_commit(self, *_: Any, **__: Any) -> bool:
        """Commit what is applied; `commit` sees to it that this runs once at a time."""
        offsets = self.assigned.committable()
        if not offsets:
            return False
        done = bool(await self._commit(offsets))
        if done:
            self.assigned.committed(offsets)
            self.commits += 1
        self._commit_refused = not done
        return done

    async def settle(self, within: float) -> None:
        """Wait for what is being worked on, then commit until nothing applied is uncommitted.

        `commit` answers False without committing while another commit is under way, so once is
        not enough. Either wait ends after *within* seconds, the first also when the worker holds
        on purpose: what is left is repeated elsewhere.
        """
        deadline = time.monotonic() + within
        while self.assigned.being_worked_on() and time.monotonic() < deadline:
            if self.transport.excused():
                break
            await self._changed.wait(0.5)
        deadline = time.monotonic() + within
        self._commit_refused = False
        while self.assigned.committable() and not self._commit_refused:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            # Not cancelled when it is late: the client finishes it or fails it.
            await asyncio.wait([asyncio.ensure_future(self.commit())], timeout=left)
        if left_over := self.assigned.committable():
            log.warning("applied but not committed, to be repeated: %s", left_over)

    def stop_flow(self) -> None:
        """Stop handing out; what has begun may still be acknowledged."""
        super().stop_flow()
        self._epoch += 1
        self.assigned.drop_unstarted()
        self._changed.tell()

    def resume_flow(self) -> None:
        """Start handing out, from what is applied."""
        self._epoch += 1
        self.assigned.rewind()
        super().resume_flow()
        self._changed.tell()

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Let go of everything: the group takes all partitions back in every rebalance."""
        self._epoch += 1
        self.assigned.drop_unstarted()
        self._changed.tell()
        await self.settle(self.settings.revoke_within)
        self._epoch += 1
        self.assigned.clear()
        self._changed.tell()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """Note the assignment; Faust calls `perform_seek`, if it is any, and `resume_flow`."""
        self.stop_flow()
        self.assigned.clear(known=not assigned)
        self.assigned_at = time.monotonic()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Learn from where to go on; each channel seeks there before it fetches."""
        epoch = self._epoch
        committed = await self._thread.call_thread(self._thread.committed)
        if epoch == self._epoch:
            self.assigned.begin(committed, time.monotonic())

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Leave judging progress to the watchdogs below; Faust's looks at single events."""

    @Service.task
    async def _watch_coordination(self) -> None:
        while not self.should_stop:
            await self.sleep(1.0)
            client = self._thread._consumer
            fault = coordination_fault(client) if client is not None else None
            late = self.settings.first_assignment_within
            if fault is None and self.assigned_at is None and time.monotonic() - self.began > late:
                fault = StuckError(f"no partitions were assigned within {late:.0f} s")
            if fault is not None and not self.should_stop:
                await self.crash(fault)

    @Service.task
    async def _watch_progress(self) -> None:
        def counted() -> tuple[int, int]:
            return self.applied, self.assigned.steps()

        await watch(self, self._new_watch(), counted, self._lag, self.transport.excused)

    @Service.task
    async def _watch_commits(self) -> None:
        await watch(self, self._new_watch(), lambda: self.commits, self._uncommitted, bool)

    def _new_watch(self) -> LagWatch:
        return LagWatch(self.settings.idle_within, self.settings.lag_within)

    async def _uncommitted(self) -> int | None:
        """Return how many partitions wait for a commit; None while the broker is away."""
        waiting = len(self.assigned.committable())
        return None if waiting and await self._lag() is None else waiting

    async def _lag(self) -> int | None:
        """Return how much waits by the broker's own word; None while the broker is away."""
        try:
            async with asyncio.timeout(5.0):
                ends = await self.ends(self.assigned)
        except Exception as error:  # noqa: BLE001 - whatever it is, the broker gave no answer
            log.warning("the broker does not say where partitions end: %r", error)
            return None
        owned = [each for each in self.assigned if each in ends]
        return sum(max(0, ends[each] - self.assigned[each].applied) for each in owned)


class Transport(driver.Transport):
    """Faust's Kafka transport with governor's consumer, and what that consumer needs."""

    Consumer: ClassVar[type] = Consumer

    def __init__(self, app: Any, settings: StreamSettings, order: Order) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.settings = settings
        self.order = order
        self.channels: dict[str, Any] = {name: app.channel() for name in order.channels}
        self.excused: Callable[[], bool] = bool

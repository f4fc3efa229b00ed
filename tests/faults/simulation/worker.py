"""A worker in virtual time: the real gate, publisher, order and assignment on a scripted broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from governor.config import topics
from governor.core.policy import Policy
from governor.health import Health
from governor.ledger.keys import Pseudonyms, Sealer
from governor.metrics import Metrics
from governor.service import Governor
from governor.stream.assignment import Assignment, Changes, Seen
from governor.stream.fetch import Fetch, Partition
from governor.stream.gate import Gate
from governor.stream.intake import LANES, Reader
from governor.stream.order import LaneOrder
from governor.stream.outgoing import Writer
from governor.stream.producer import Outbox
from governor.stream.publisher import Parts
from tests.faults.simulation.broker import Broker, SimOutbox
from tests.faults.simulation.faults import Faults
from tests.faults.simulation.ledger import Link, Store
from tests.faults.simulation.loop import VirtualLoop
from tests.rebuild.kept import Kept

IN_FLIGHT = 3
FETCH_WITHIN = 400
WAKE_EVERY = 1.0
COMMIT_EVERY = 1.0
LATE_AFTER = 5.0
KEY = b"simulated key of thirty-two byte"
NAMES = Pseudonyms(KEY)
SEALER = Sealer({"k": KEY}, "k")
RESTRICTIVE = (topics.CONSENTS, topics.CANCELLATIONS, topics.CONTROL)

_metrics = Metrics()


class World:
    """What the workers of one run share."""

    def __init__(self, loop: VirtualLoop, broker: Broker, faults: Faults, policy: Policy) -> None:
        self.loop = loop
        self.broker = broker
        self.faults = faults
        self.policy = policy
        self.store = Store()
        self.errors: list[BaseException] = []
        self.closing = False


class SimWorker:
    """One process. `skew` (ms) is how far its wall clock is off."""

    def __init__(self, world: World, name: str, now: Callable[[], int]) -> None:
        self.world = world
        self.name = name
        self.assigned = Assignment()
        self.generation = -1
        self._order = LaneOrder(LANES)
        self._epoch = 0
        self._flows = False
        self._waking = False
        self._changed = Changes()
        self._sought: dict[str, int] = {}
        self._health = Health(_metrics, world.loop.time)
        link = Link(world.store, world.faults)
        governor = Governor(world.policy, cast("Any", link), NAMES, SEALER, tick=world.loop.time)
        self.gate = Gate(
            Parts(
                governor=governor,
                reader=Reader("", 1 << 20, KEY),
                writer=Writer("", SEALER),
                outbox=cast("Outbox", SimOutbox(world.broker, world.faults)),
                metrics=_metrics,
                health=self._health,
                now=now,
                tick=world.loop.time,
                late=self._late,
                bad_limit=0,
                moved=lambda: None,
            )
        )

    def start(self) -> None:
        """Start its tasks."""
        duties = [self._serve(channel) for channel in self._order.channels]
        duties += [self._wake(), self._commit()]
        for duty in duties:
            self.world.loop.spawn(self.name, self._guarded(duty))

    async def _guarded(self, duty: Awaitable[None]) -> None:
        """End the whole process when one of its tasks fails, as the real one does."""
        try:
            await duty
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must show it
            self.world.errors.append(error)
            self.world.faults.killed.append(self.name)
            self.world.loop.kill(self.name)
            await asyncio.sleep(0)

    # --- what the group tells it

    def take(self, partitions: Iterable[int], generation: int) -> None:
        """Own these partitions from what is committed on."""
        self.generation = generation
        self._epoch += 1
        self._flows = True
        committed = {
            Partition(topic, number): self.world.broker.group.offsets.get(Partition(topic, number))
            or 0
            for topic in LANES
            for number in partitions
            if number < self.world.broker.count(topic)
        }
        self.assigned.begin(committed, self.world.loop.time())
        self._changed.tell()

    def lose(self) -> None:
        """Learn that the partitions are somebody else's by now."""
        self._epoch += 1
        self.assigned.clear()
        self._changed.tell()

    async def let_go(self) -> None:
        """Give the partitions back in order: end what has begun, then commit."""
        generation = self.generation
        self._epoch += 1
        # As in the client, which hands nothing out while the group is being rearranged.
        self._flows = False
        self.assigned.drop_unstarted()
        deadline = self.world.loop.time() + 5.0
        while self.assigned.being_worked_on() and self.world.loop.time() < deadline:
            await self._changed.wait(0.5)
        if generation == self.generation:
            self._commit_once()
            self.lose()

    @property
    def at_rest(self) -> bool:
        """Whether nothing of what was read is left to do."""
        idle = not self._waking and not self.assigned.in_flight()
        return idle and not self.assigned.committable()

    # --- fetching, as the consumer does it

    async def until(self, reached: Callable[[], bool]) -> None:
        epoch = self._epoch
        while epoch == self._epoch and not reached():
            await self._changed.wait(0.5)

    async def ends(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        return {each: len(self.world.broker.logs[each]) for each in partitions}

    async def _serve(self, channel: str) -> None:
        draw = self.world.faults.draw
        while True:
            epoch = self._epoch
            if self._sought.get(channel) != epoch:
                self._order.forget(channel)
                self._sought[channel] = epoch
            await self.until(lambda: self.assigned.in_flight(channel) < IN_FLIGHT)
            if epoch == self._epoch and self._flows:
                wanted = self._order.wanted(channel, self.assigned)
                found, seen, others = self._fetch(wanted)
                now = self.world.loop.time()
                self._order.add(channel, self.assigned.admit(found, seen, now))
                self.assigned.heard(others, now)
                self._changed.tell()
                await self._hand_out(channel, epoch)
                if any(found.values()):
                    continue
            await asyncio.sleep(draw(FETCH_WITHIN) / 1_000)

    def _fetch(
        self, wanted: list[Partition]
    ) -> tuple[dict[Partition, list[Kept]], dict[Partition, Seen], dict[Partition, Seen]]:
        """Return some records, and how far the broker says that all partitions reach."""
        found, seen = {}, {}
        stamp = round(self.world.loop.time() * 1_000)
        logs = self.world.broker.logs
        others = {
            each: Seen(None, len(logs[each]), stamp) for each in self.assigned if each not in wanted
        }
        for each in wanted:
            start = self.assigned[each].fetched or 0
            log = logs[each]
            found[each] = log[start : start + 1 + self.world.faults.draw(5)]
            position = start + len(found[each])
            seen[each] = Seen(position, len(log), stamp)
        return found, seen, others

    async def _hand_out(self, channel: str, epoch: int) -> None:
        records = await self._order.take(channel, self)
        if epoch != self._epoch or not records:
            return
        fetch = self.assigned.hand_out(channel, records)
        if fetch.start():
            await self._work(fetch)

    async def _work(self, fetch: Fetch) -> None:
        rest = await self.gate.handle(fetch)
        if rest is None:
            await self._acknowledge(fetch)
        else:
            self.world.loop.spawn(self.name, self._guarded(self._finish(fetch, rest)))

    async def _finish(self, fetch: Fetch, rest: Awaitable[None]) -> None:
        await rest
        await self._acknowledge(fetch)

    async def _acknowledge(self, fetch: Fetch) -> None:
        await self.world.faults.point("before acknowledge")
        self.assigned.acknowledge(fetch)
        self._changed.tell()
        await self.world.faults.point("after acknowledge")

    # --- what it does beside

    async def _wake(self) -> None:
        while True:
            await asyncio.sleep(WAKE_EVERY)
            if not self.world.closing and not self.gate.closed():
                self._waking = True
                await self.gate.wake(lambda: True)
                self._waking = False

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY)
            # Whoever watches the ledger finds that it is there again.
            self._health.release("ledger")
            if self.assigned.committable():
                await self.world.faults.point("before offsets")
                self._commit_once()
                await self.world.faults.point("after offsets")

    def _commit_once(self) -> None:
        offsets = self.assigned.committable()
        if offsets and self.generation == self.world.broker.group.generation:
            self.world.broker.group.offsets.update(offsets)
            self.assigned.committed(offsets)

    def _late(self) -> str | None:
        now = self.world.loop.time()
        if not len(self.assigned):
            return "no partitions are assigned yet"
        for each in self.assigned:
            if each.topic in RESTRICTIVE:
                at = self.assigned[each].caught_up_at
                if at is None or now - at > LATE_AFTER:
                    return f"{each} is late"
        return None

"""What a worker does beside its fetches: wake what is due, and watch ledger, clocks and policy."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from governor.config.defects import PolicyInvalid
from governor.config.policy_file import load_policy
from governor.core.instant import SECOND
from governor.core.policy import Policy
from governor.core.verdict import Outcome
from governor.ledger.protocol import LedgerUnavailable
from governor.ledger.redis import RedisLedger
from governor.stream.gate import Gate
from governor.stream.publisher import Parts

log = logging.getLogger(__name__)

_WAKE_EVERY = 0.25
_WATCH_EVERY = 1.0
_TALLY_EVERY = 5.0
_TALLY_SHARE = 50
_DRIFT = 5 * SECOND

Duty = Callable[[], Awaitable[None]]


class Waker:
    """Judges what is due, on wall time; every worker does, the ledger's claims keep them apart."""

    def __init__(self, gate: Gate, parts: Parts) -> None:
        self._gate = gate
        self._parts = parts

    async def run(self) -> None:
        """Look for what is due, again and again."""
        while True:
            await asyncio.sleep(_WAKE_EVERY)
            if not self._gate.closed():
                await self._gate.wake(self._parts.now(), _always)


def _always() -> bool:
    return True


class LedgerWatch:
    """Holds the gate while the ledger or the clock cannot be trusted.

    The ledger's counter is raised every second; another epoch, or a counter that went back, tells
    that writes were lost. The clock is compared with monotonic progress and with Redis.
    """

    def __init__(self, parts: Parts, ledger: RedisLedger, *, clocks: bool) -> None:
        self._parts = parts
        self._ledger = ledger
        self._clocks = clocks
        self._started = (parts.now(), parts.tick())
        self._last: tuple[str, int] | None = None
        self._lost: str | None = None

    async def run(self) -> None:
        """Look every second."""
        while True:
            await self.look()
            await asyncio.sleep(_WATCH_EVERY)

    async def look(self) -> None:
        """Compare epoch, counter and clocks with what they were."""
        health = self._parts.health
        try:
            before = self._parts.now()
            redis_time = await self._ledger.check_server()
            self._check_beat(await self._ledger.beat())
        except LedgerUnavailable as error:
            health.ledger_trusted(False)
            health.hold("ledger", str(error))
            return
        if self._lost is not None:
            health.ledger_trusted(False)
            health.hold("ledger", self._lost)
            return
        health.ledger_trusted(True)
        health.release("ledger")
        if self._clocks:
            self._check_clock(before, redis_time)

    def _check_beat(self, beat: tuple[str, int]) -> None:
        last, self._last = self._last, beat
        if last is None or (beat[0] == last[0] and beat[1] > last[1]):
            return
        self._lost = "the ledger has lost writes: its epoch or its counter is not what it was"
        log.error("%s; nothing is released until it is restored", self._lost)

    def _check_clock(self, before: int, redis_time: int) -> None:
        now, tick = self._parts.now(), self._parts.tick()
        passed = round((tick - self._started[1]) * SECOND)
        drift = now - self._started[0] - passed
        off = max(before - redis_time, redis_time - now, 0)
        if abs(drift) > _DRIFT:
            words = f"wall time moved {drift / SECOND:+.1f} s against monotonic time"
            self._parts.health.hold("clock", words)
        elif off > _DRIFT:
            words = f"wall time is {off / SECOND:.1f} s away from that of the ledger"
            self._parts.health.hold("clock", words)
        else:
            self._parts.health.release("clock")


class PolicyWatch:
    """Swaps in a changed policy file between two batches; a bad one is refused, the old stays."""

    def __init__(self, parts: Parts, path: Path, topics: Sequence[str]) -> None:
        self._parts = parts
        self._path = path
        self._topics = topics
        self._seen = self._stamp()

    async def run(self) -> None:
        """Look every second whether the file has changed."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                await self._reload()

    def use(self, policy: Policy) -> None:
        """Judge by *policy* from the next batch on."""
        self._parts.governor.policy = policy
        self._parts.metrics.prepare(policy, self._topics)
        self._parts.health.policy_loaded(policy.revision)
        log.info("policy %s is in force", policy.revision)

    async def _reload(self) -> None:
        try:
            policy = await asyncio.to_thread(load_policy, self._path)
        except PolicyInvalid as invalid:
            self._parts.health.policy_refused("unreadable", str(invalid))
            log.error("the changed policy is refused, the old one stays: %s", invalid)  # noqa: TRY400
            return
        self.use(policy)

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        path = self._path
        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        return tuple(
            (file.name, status.st_mtime_ns, status.st_size)
            for file in files
            if file.exists()
            for status in [file.stat()]
        )


class Tally:
    """Counts what waits, by outcome, and how late the latest is; takes a small share of its time."""

    def __init__(self, parts: Parts, ledger: RedisLedger) -> None:
        self._parts = parts
        self._ledger = ledger

    async def run(self) -> None:
        """Count again and again, the less often the longer it takes."""
        while True:
            start = self._parts.tick()
            try:
                await self._count()
            except LedgerUnavailable as error:
                log.debug("what waits cannot be counted: %s", error)
            spent = self._parts.tick() - start
            await asyncio.sleep(max(_TALLY_EVERY, spent * _TALLY_SHARE))

    async def _count(self) -> None:
        counts = {Outcome.DEFER: 0, Outcome.REVIEW: 0}
        seen: set[str] = set()
        async for page in self._ledger.waiting():
            keys = [key for key in page if key not in seen]
            seen.update(keys)
            _control, standings = await self._ledger.load(keys)
            for standing in standings:
                for waiting in standing.waiting:
                    if waiting.outcome in counts:
                        counts[waiting.outcome] += 1
        due = await self._ledger.next_due()
        overdue = 0.0 if due is None else (self._parts.now() - due) / SECOND
        self._parts.metrics.set_waiting(counts[Outcome.DEFER], counts[Outcome.REVIEW], overdue)

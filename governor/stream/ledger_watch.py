"""Holds the gate while the ledger or the clock cannot be trusted, and makes the ledger whole."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from governor.broker import BrokerUnavailable
from governor.core.instant import SECOND
from governor.ledger.protocol import LedgerUnavailable
from governor.ledger.redis import Guard, RedisLedger
from governor.ledger.trust import Trust
from governor.rebuild import Source
from governor.stream.clock_watch import DRIFT, ClockWatch
from governor.stream.publisher import Parts

log = logging.getLogger(__name__)

WATCH_EVERY = 1.0

_MARGIN = 10 * SECOND
"""Further back than clocks may differ, outputs are read again after a loss."""

Offsets = Mapping[str, Mapping[int, int]]


class LedgerWatch:
    """Looks every second at what the ledger tells of itself.

    INVARIANT (fail-closed): after a restart, a failover, a restored backup or an emptied ledger
    nothing is judged before all that the topics hold since its last surviving write is applied
    again. `restore` does that, and `guard` keeps the gate from the ledger until then. `applied`
    tells how far this worker has applied its inputs, `begun` whether anything ever was.
    """

    def __init__(
        self,
        parts: Parts,
        ledger: RedisLedger,
        guard: Guard,
        *,
        restore: Callable[[Source], Awaitable[object]],
        begun: Callable[[], Awaitable[bool]],
        applied: Callable[[], Offsets],
        clock: ClockWatch | None,
    ) -> None:
        """Without a *clock* time is that of the records, and no clock is looked at."""
        self._parts = parts
        self._ledger = ledger
        self._guard = guard
        self._restore = restore
        self._begun = begun
        self._applied = applied
        self._clock = clock
        self._last: Trust | None = None
        self._recent: deque[tuple[int, Offsets]] = deque()

    async def run(self) -> None:
        """Look every second."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_EVERY)

    async def look(self) -> None:
        """Compare ledger and clocks with what they were; restore what was lost."""
        health = self._parts.health
        try:
            before = self._parts.now()
            redis_time = await self._ledger.check_server()
            trust = await self._ledger.trust()
            if self._whole(trust):
                await self._vouch(trust, redis_time)
            else:
                await self._make_whole(redis_time)
        except (LedgerUnavailable, BrokerUnavailable) as error:
            self._guard.shut()
            health.ledger_trusted(False)
            health.hold("ledger", str(error))
            if self._clock is not None:
                self._clock.doubted()
            return
        health.ledger_trusted(True)
        health.release("ledger")
        if self._clock is not None:
            self._check_clock(self._clock, before, redis_time)

    def _whole(self, trust: Trust) -> bool:
        """Tell whether this is what was vouched for last, or what somebody else has restored."""
        if trust.epoch is None or not trust.same_server:
            return False
        last = self._last
        known = last is not None and (last.epoch, last.running) == (trust.epoch, trust.running)
        return not (known and last is not None and trust.counter < last.counter)

    async def _make_whole(self, redis_time: int) -> None:
        self._guard.shut()
        async with self._ledger.restoring() as confirm:
            trust = await self._ledger.trust()
            if not self._whole(trust):
                await self._fill(trust)
                await confirm()
                await self._ledger.found()
                # Once more: it may have been founded empty. What is emptied after this is not
                # what is vouched for.
                await confirm()
            await self._vouch(await self._ledger.trust(), redis_time, trust.running)

    async def _fill(self, trust: Trust) -> None:
        now = self._parts.now() if self._clock is not None else None
        if trust.epoch is not None:
            # Whoever comes, or goes on, while this is restored must not take it for whole.
            await self._ledger.doubt()
            source = Source(max(0, trust.at - _MARGIN), trust.offsets, now)
            words = "the ledger may have lost its last writes: they are read again from the topics"
        elif self._last is None and not await self._begun():
            return
        else:
            source = Source(now=now)
            words = "the ledger is empty and was not: all of it is read again from the topics"
        self._parts.health.ledger_trusted(False)
        self._parts.health.hold("ledger", words)
        log.warning(words)
        await self._restore(source)
        log.warning("the ledger is whole again")

    async def _vouch(self, trust: Trust, redis_time: int, running: str | None = None) -> None:
        """Vouch for the ledger on the server that was looked at, and let the gate use it.

        As of the earlier of two clocks: after a loss, one that runs ahead would hide what is lost.
        """
        if running not in (None, trust.running):
            raise LedgerUnavailable("redis: was restarted while it was restored")
        at, offsets = min(self._parts.now(), redis_time), self._applied()
        # By a clock that nobody moves: how old they are must not be taken for more than it is.
        sure = self._surely(trust, round(self._parts.tick() * SECOND), offsets)
        counter = await self._ledger.vouch(trust, at, sure)
        if counter == 0:
            raise LedgerUnavailable("redis: was restarted or emptied while it was looked at")
        self._last = Trust(trust.running, trust.epoch, counter, at, trust.running, offsets)
        self._guard.admit(trust.running, trust.epoch)

    def _surely(self, trust: Trust, at: int, offsets: Offsets) -> Offsets:
        """Return what can't be lost once this is written.

        One server loses its writes from the end, this one first. Of several each may lose its
        own, so that for them only older offsets are sure.
        """
        self._recent.append((at, offsets))
        while len(self._recent) > 1 and self._recent[1][0] <= at - _MARGIN:
            self._recent.popleft()
        oldest, sure = self._recent[0]
        if not trust.scattered:
            return offsets
        return sure if oldest <= at - _MARGIN else {}

    def _check_clock(self, clock: ClockWatch, before: int, redis_time: int) -> None:
        health = self._parts.health
        off = max(before - redis_time, redis_time - self._parts.now(), 0)
        if off > DRIFT:
            clock.doubted()
        else:
            clock.agreed()
        moved = clock.off()
        if moved is not None:
            health.hold("clock", moved)
        elif off > DRIFT:
            health.hold("clock", f"wall time is {off / SECOND:.1f} s away from that of the ledger")
        else:
            health.release("clock")

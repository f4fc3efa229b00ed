"""The gate in the stream: every fetch is judged, written down, published, and only then let go."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from governor.core.resolution import Resolution
from governor.ledger.protocol import LedgerUnavailable
from governor.service import Arrivals, Judgement, Tried
from governor.stream.fetch import Fetch, Lane, Record
from governor.stream.intake import Intake
from governor.stream.publisher import RETRY, Alive, Parts, Publisher


class NothingButBadRecords(Exception):
    """So many records in a row were unusable that the fault must be ours."""


class Gate:
    """Judges what the lanes hand out and wakes what is due.

    While something cannot be trusted it holds: facts are still written down, nothing is judged.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._publisher = Publisher(parts)
        self._governor = parts.governor
        self._health = parts.health
        # What wakes waiting messages runs one at a time, so that none finds what another has
        # decided and not yet published.
        self._waking = asyncio.Lock()
        self._bad_in_a_row = 0

    async def handle(self, fetch: Fetch) -> Awaitable[None] | None:
        """Judge a fetch of one lane; of candidates, the publishing is returned to go on beside."""
        start = self._parts.tick()

        def alive() -> bool:
            return fetch.alive

        intake = self.read(fetch.records)
        if fetch.channel == Lane.FIRST.name.lower():
            async with self._waking:
                judgement = await self._apply(intake, alive)
                if judgement is not None:
                    await self._publisher.publish(judgement, intake, alive, start)
            return None
        judged = await self._judge(intake, alive)
        if judged is None:
            return None
        return self._publisher.publish(judged, intake, alive, self._parts.tick())

    async def wake(
        self, alive: Alive, *, catch_up: int | None = None, step: Callable[[], object] = bool
    ) -> None:
        """Judge everything that is due now; with *catch_up* (ms) what was by then, as of its time.

        Calls *step* whenever some of it is done. Without *catch_up* it ends as soon as time or
        consents are doubted: what settles that may need the lane that this keeps waiting.
        """

        def going_on() -> bool:
            return alive() and (catch_up is not None or not self._doubted())

        def due(now: int, tried: Tried) -> Awaitable[Judgement]:
            # Not as of when it was to begin: others may have had their turn for long, and the
            # ledger may have been away.
            if catch_up is None:
                return self._governor.wake(now, tried=tried)
            return self._governor.wake(catch_up, catch_up=True)

        more = True
        while more:
            # Others have a turn in between: a stop is not to wait for all that a morning lets go.
            async with self._waking:
                judgement = await self.retry(due, going_on)
                if judgement is None:
                    return
                await self._publisher.publish(judgement, Intake(), alive, self._parts.tick())
                step()
                more = judgement.more

    def read(self, records: Sequence[Record]) -> Intake:
        """Sort records into what they are, and count them."""
        policy = self._governor.policy
        intake = self._parts.reader.read(records, policy)
        metrics = self._parts.metrics
        metrics.count_candidates(incoming.candidate for incoming in intake.fresh)
        metrics.count_told(intake.told)
        metrics.count_controls(intake.controls)
        if intake.told or intake.fresh or intake.controls:
            self._bad_in_a_row = 0
        else:
            self._bad_in_a_row += len(intake.letters)
            limit = self._parts.bad_limit
            if limit and self._bad_in_a_row > limit:
                last = intake.letters[-1]
                at = f"{last.record.topic}/{last.record.partition} at {last.record.offset}"
                raise NothingButBadRecords(
                    f"{self._bad_in_a_row} records in a row are unusable, the last one "
                    f"`{last.reason}` of {at}: {last.detail}; nothing is let go: repair what "
                    "produces them, or put them all aside with `GOVERNOR_DEAD_LETTER_LIMIT=0`"
                )
        return intake

    async def _apply(self, intake: Intake, alive: Alive) -> Judgement | None:
        """Write facts and controls down, also while the gate is held."""
        arrivals = Arrivals(told=intake.told, controls=intake.controls)
        if not (arrivals.told or arrivals.controls):
            return Judgement()
        # What feedback means depends on the send log, so it waits until that is whole.
        while self._health.holds("ledger") and alive():  # noqa: ASYNC110 - polled like the rest
            await asyncio.sleep(RETRY)

        def judge(now: int, tried: Tried) -> Awaitable[Judgement]:
            return self._governor.judge(arrivals, now, hold=self.closed(), tried=tried)

        return await self.retry(judge, alive)

    async def _judge(self, intake: Intake, alive: Alive) -> Judgement | None:
        """Judge candidates as soon as the gate is open; None when they are no longer ours."""
        if not intake.fresh:
            return Judgement()
        arrivals = Arrivals(fresh=intake.fresh)

        def judge(now: int, tried: Tried) -> Awaitable[Judgement]:
            return self._governor.judge(arrivals, now, tried=tried)

        return await self.retry(judge, alive, when_open=True)

    async def retry(
        self,
        judge: Callable[[int, Tried], Awaitable[Judgement]],
        alive: Alive,
        *,
        when_open: bool = False,
    ) -> Judgement | None:
        """Judge as of now, again while the ledger is away; None when the work is no longer ours.

        *when_open*: only while the gate is not held.
        """
        tried: set[int] = set()
        since = math.inf
        while True:
            # Read before the clock is looked at: one that moves in between is not judged by.
            now = self._parts.now()
            if not alive():
                return None
            if when_open and self.closed():
                await asyncio.sleep(RETRY)
                continue
            start = self._parts.tick()
            try:
                judgement = await judge(now, frozenset(tried))
            except LedgerUnavailable as error:
                tried.add(now)
                since = min(since, start)
                await self._publisher.wait_for_ledger(error)
                continue
            if tried:
                began = min(tried)
                judgement.resolutions = [_own(one, began) for one in judgement.resolutions]
            judgement.since = since
            return judgement

    def _doubted(self) -> bool:
        self.closed()
        return self._health.holds("clock") or self._health.holds("consents")

    def closed(self) -> bool:
        """Tell whether the gate is held, after looking at the clock and how fresh consents are.

        The time to judge by is to be read before.
        """
        moved = self._parts.moved()
        if moved is not None:
            # Whoever watches the ledger opens it again: that takes another clock to agree.
            self._health.hold("clock", moved)
        late = self._parts.late()
        if late is None:
            self._health.release("consents")
        else:
            self._health.hold("consents", late)
        return self._health.held


def _own(resolution: Resolution, began: int) -> Resolution:
    """Take for new what an attempt since *began* (ms) wrote down before the ledger failed."""
    if resolution.repeat and resolution.decided_at >= began:
        return msgspec.structs.replace(resolution, repeat=False)
    return resolution

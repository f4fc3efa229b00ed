"""Hands what was decided to the broker, waits for it, and then lets go of what waited."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from governor.codec.rejected import FOUND_LATER
from governor.core.resolution import Resolution
from governor.health import Health
from governor.ledger.protocol import LedgerUnavailable
from governor.metrics import Metrics
from governor.service import Governor, Judgement
from governor.stream.intake import Intake, Letter, Reader
from governor.stream.outgoing import Writer
from governor.stream.producer import NotDeliveredError, Outbox, Outgoing, OversizedError

log = logging.getLogger(__name__)

Alive = Callable[[], bool]

PUBLISH_WITHIN = 5.0
"""Seconds after which a commit that was not handed to the broker is judged again."""
RETRY = 0.2
"""Seconds between two attempts at what is away."""
RETRY_OVERSIZED = 2.0
"""Seconds until a broker is asked again to take what was too large for it."""


class Parts(msgspec.Struct, frozen=True):
    """What a gate works with. `now` is wall time (ms), `tick` monotonic seconds.

    `late` says why the consents cannot be relied on, `moved` why wall time cannot.
    """

    governor: Governor
    reader: Reader
    writer: Writer
    outbox: Outbox
    metrics: Metrics
    health: Health
    now: Callable[[], int]
    tick: Callable[[], float]
    late: Callable[[], str | None]
    bad_limit: int
    moved: Callable[[], str | None]


class Publisher:
    """Publishes what judgements came to, again and again until the broker has taken it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def wait_for_ledger(self, error: LedgerUnavailable) -> None:
        """Hold the gate because of *error*, for a moment; whoever watches the ledger opens it."""
        self.parts.health.hold("ledger", str(error))
        await asyncio.sleep(RETRY)

    async def publish(
        self, judgement: Judgement, intake: Intake, alive: Alive, committed: float
    ) -> None:
        """Hand everything to the broker, wait for it, then let go of what waited.

        INVARIANT (nothing-lost): nothing is let go before the broker has acknowledged all that
        came of it. After the first attempt a verdict is never changed: it may have arrived.
        INVARIANT (fail-closed): nothing is handed over by a time that is not believed.
        """
        parts = self.parts
        letters = [*intake.letters, *_letters(judgement, intake)]
        resolutions: Sequence[Resolution] = judgement.resolutions
        if not (resolutions or letters or judgement.handovers) or not alive():
            self._done(judgement, (), (), intake, 0.0)
            return
        if any(one.revocable for one in resolutions):
            await self._reached(alive)
            if (
                parts.tick() - min(committed, judgement.since) > PUBLISH_WITHIN
                or parts.moved() is not None
            ):
                resolutions = await self._reconsidered(resolutions, alive)
            if not alive():
                return
        start = parts.tick()
        at = parts.now()
        records = parts.writer.resolutions(resolutions)
        records += parts.writer.handovers(judgement.handovers)
        sent = await self._send([*records, *parts.writer.letters(letters, at)], alive)
        spent = parts.tick() - start
        if sent:
            await self._let_go(resolutions)
        self._done(judgement, resolutions, letters, intake, spent)

    async def _reached(self, alive: Alive) -> None:
        """Wait for a way to the broker: nothing is handed over yet, and it may take long."""
        health, waiting = self.parts.health, object()
        try:
            while alive():
                try:
                    return await self.parts.outbox.ready()
                except NotDeliveredError as error:
                    health.hold("broker", f"what was decided cannot be published: {error}", waiting)
                    await asyncio.sleep(RETRY)
        finally:
            health.release("broker", waiting)

    async def _reconsidered(
        self, resolutions: Sequence[Resolution], alive: Alive
    ) -> Sequence[Resolution]:
        while alive():
            now = self.parts.now()
            if self.parts.moved() is not None:
                await asyncio.sleep(RETRY)
                continue
            try:
                return await self.parts.governor.reconsider(resolutions, now)
            except LedgerUnavailable as error:
                await self.wait_for_ledger(error)
        return ()

    async def _send(self, records: list[Outgoing], alive: Alive) -> bool:
        """Hand *records* to the broker at least once; False when it did not take them.

        While it does not the gate is held, whatever else is published beside.
        """
        health, sending = self.parts.health, object()
        try:
            while True:
                try:
                    await self.parts.outbox.send(records)
                except OversizedError as error:
                    # The rest is published, and is not to be repeated while these are tried again.
                    records = list(error.records)
                    health.hold("broker", str(error), sending)
                    await asyncio.sleep(RETRY_OVERSIZED)
                except NotDeliveredError as error:
                    log.warning("publishing again: %s", error)
                    health.hold("broker", "what was decided cannot be published", sending)
                    await asyncio.sleep(RETRY)
                else:
                    return True
                if not alive():
                    return False
        finally:
            health.release("broker", sending)

    async def _let_go(self, resolutions: Sequence[Resolution]) -> None:
        """Let go of what waited, and put right what was said too late of what waits.

        Also when the work is no longer ours: what was said too late was said by us.
        """
        while resolutions:
            try:
                resolutions = await self.parts.governor.published(resolutions)
            except LedgerUnavailable as error:
                await self.wait_for_ledger(error)
            else:
                await self._send(self.parts.writer.waiting(resolutions), lambda: True)

    def _done(
        self,
        judgement: Judgement,
        resolutions: Sequence[Resolution],
        letters: Sequence[Letter],
        intake: Intake,
        spent: float,
    ) -> None:
        metrics = self.parts.metrics
        metrics.count_resolutions(resolutions, self.parts.now())
        metrics.count_notes(judgement.notes)
        metrics.count_handovers(judgement.handovers)
        metrics.conflicts.inc(judgement.conflicts)
        for letter in letters:
            metrics.count_dead_letter(letter.record.topic, letter.reason)
            log.warning(
                "dead letter: %s of %s/%d at %d: %s",
                letter.reason,
                letter.record.topic,
                letter.record.partition,
                letter.record.offset,
                letter.detail,
            )
        if resolutions or letters or intake.told or intake.controls:
            messages = len(resolutions) + len(intake.told)
            metrics.count_batch({**judgement.seconds, "publish": spent}, messages)
            self.parts.health.progress()


def _letters(judgement: Judgement, intake: Intake) -> Iterable[Letter]:
    """Return the candidates that were refused once it was known what is known of their id."""
    for incoming, reason in judgement.rejected:
        record = intake.sources.get(id(incoming))
        if record is not None:
            yield Letter(record, reason, FOUND_LATER[reason])

"""A replay: the gate on the records' own clock."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby

from governor.config import topics
from governor.core.instant import SECOND
from governor.ledger.protocol import LedgerUnavailable
from governor.service import Arrivals, Judgement, Tried
from governor.stream.fetch import Fetch, Record
from governor.stream.gate import Gate
from governor.stream.intake import Intake
from governor.stream.publisher import Alive, Parts, Publisher


class Replay:
    """Judges merged records, each at its own time, and in between what falls due.

    INVARIANT (simulated-is-real): one person's records, and what waits of that person, are judged
    in the order and at the moments in which a simulation of the same records judges them, and
    where the policy counts by household so is everybody's.
    """

    def __init__(self, parts: Parts, gate: Gate) -> None:
        self._parts = parts
        self._gate = gate
        self._governor = parts.governor
        self._publisher = Publisher(parts)

    async def handle(self, fetch: Fetch) -> None:
        """Judge a fetch in which the records of all lanes are merged by their own time."""

        def alive() -> bool:
            return fetch.alive

        for has_controls, records in _runs(fetch.records):
            if has_controls:
                at = records[0].timestamp
                await self._gate.wake(alive, catch_up=at - 1, step=fetch.step)
                intake = self._gate.read(records)
                arrivals = Arrivals(intake.told, intake.fresh, intake.controls)
                judgement = await self._gate.retry(partial(self._control, arrivals, at), alive)
                if judgement is not None:
                    await self._publisher.publish(judgement, intake, alive, self._parts.tick())
            else:
                await self._replay(records, alive, fetch.step)
        last = fetch.records[-1].timestamp
        await self._gate.wake(alive, catch_up=last - 1, step=fetch.step)
        self._parts.metrics.record_clock_seconds.set(last / SECOND)

    async def _control(self, arrivals: Arrivals, at: int, _now: int, _tried: Tried) -> Judgement:
        return await self._governor.judge(arrivals, at)

    async def _replay(
        self, records: Sequence[Record], alive: Alive, step: Callable[[], None]
    ) -> None:
        intakes = [
            (at, self._gate.read(list(group)))
            for at, group in groupby(records, key=lambda record: record.timestamp)
        ]
        letters = Intake(letters=[one for _, intake in intakes for one in intake.letters])
        for _, intake in intakes:
            letters.sources.update(intake.sources)
        await self._publisher.publish(Judgement(), letters, alive, self._parts.tick())
        letters.letters.clear()
        moments = [(at, Arrivals(one.told, one.fresh)) for at, one in intakes]
        while alive():
            try:
                async for judgement in self._governor.replay(moments):
                    await self._publisher.publish(judgement, letters, alive, self._parts.tick())
                    step()
                    if not alive():
                        return
            except LedgerUnavailable as error:
                await self._publisher.wait_for_ledger(error)
            else:
                return


def _runs(records: Iterable[Record]) -> Iterable[tuple[bool, list[Record]]]:
    """Split merged records so that a moment with a control stands alone."""
    run: list[Record] = []
    for _, group in groupby(records, key=lambda record: record.timestamp):
        moment = list(group)
        if any(record.topic.endswith(topics.CONTROL) for record in moment):
            if run:
                yield False, run
            yield True, moment
            run = []
        else:
            run += moment
    if run:
        yield False, run

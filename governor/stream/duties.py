"""What a worker does beside its fetches: wake what is due, follow the policy file, count."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from governor.config.defects import PolicyInvalid
from governor.config.policy_file import Stamp, load_policy, stamp
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

Duty = Callable[[], Awaitable[None]]


class Waker:
    """Judges what is due, on wall time; every worker does, the ledger's claims keep them apart."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def run(self) -> None:
        """Look for what is due, again and again."""
        while True:
            await asyncio.sleep(_WAKE_EVERY)
            if not self._gate.closed():
                await self._gate.wake(_always)


def _always() -> bool:
    return True


class PolicyWatch:
    """Swaps in a changed policy file between two batches; a bad one is refused, the old stays."""

    def __init__(self, parts: Parts, path: Path, topics: Sequence[str], seen: Stamp) -> None:
        """Look after the policy at *path*; *seen* is what it was before it was read."""
        self._parts = parts
        self._path = path
        self._topics = topics
        self._seen = seen

    async def run(self) -> None:
        """Look every second whether the file has changed."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            found = stamp(self._path)
            if found != self._seen:
                self._seen = found
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


class Tally:
    """Counts what waits, by outcome, and how late the latest is, in a small share of the time."""

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

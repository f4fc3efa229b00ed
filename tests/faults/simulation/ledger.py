"""A ledger that fails, delays and writes in part on command; below it is the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import Context
from dataclasses import dataclass, field

from governor.core.household import Household
from governor.core.standing import ControlState, Standing
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Change, HouseholdChange, LedgerUnavailable
from tests.faults.simulation.faults import Faults

_LEASE = 2_000
_TIMEOUT = 2.0


@dataclass
class Store:
    """What all workers share: the standings, and the leases on what is due."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    leased: dict[str, int] = field(default_factory=dict)

    def write(self, changes: Sequence[Change]) -> None:
        """Write at once what still fits."""
        for change in changes:
            self.ledger._write(change)


class Link:
    """One worker's way to the store. Like the real one, a call that fails may still be written."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        await self._reach("load")
        found = await self._store.ledger.load(keys)
        await self._faults.point("after load")
        return found

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        await self._reach("commit")
        if self._faults.partial("commit"):
            await self._in_part(changes)
            raise LedgerUnavailable("the answer to a commit was lost")
        written = await self._store.ledger.commit(changes)
        for change in changes:
            self._store.leased.pop(change.key, None)
        await self._faults.point("after commit")
        return written

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        await self._reach("control")
        written = await self._store.ledger.commit_control(expected, state)
        if self._faults.partial("control"):
            raise LedgerUnavailable("the answer to a control was lost")
        await self._faults.point("after control")
        return written

    async def households(self, keys: Sequence[str]) -> list[Household]:
        await self._reach("households")
        found = await self._store.ledger.households(keys)
        await self._faults.point("after households")
        return found

    async def commit_households(self, changes: Sequence[HouseholdChange]) -> list[bool]:
        await self._reach("reserve")
        written = await self._store.ledger.commit_households(changes)
        if self._faults.partial("reserve"):
            raise LedgerUnavailable("the answer of a household was lost")
        await self._faults.point("after reserve")
        return written

    async def claim(self, until: int, limit: int) -> list[str]:
        await self._reach("claim")
        leased = self._store.leased
        due = await self._store.ledger.claim(until, 10_000)
        keys = [key for key in due if leased.get(key, 0) <= until][:limit]
        leased.update(dict.fromkeys(keys, until + _LEASE))
        await self._faults.point("after claim")
        return keys

    async def next_due(self) -> int | None:
        return await self._store.ledger.next_due()

    async def waiting(self) -> AsyncIterator[list[str]]:
        async for page in self._store.ledger.waiting():
            await self._reach("waiting")
            yield page

    async def _reach(self, what: str) -> None:
        await self._faults.point(f"before {what}")
        if self._faults.away(what):
            raise LedgerUnavailable(f"the ledger is away before {what}")

    async def _in_part(self, changes: Sequence[Change]) -> None:
        """Write some of the changes now, some later as a server that was slow would, some never."""
        now = [change for change in changes if self._faults.draw(2)]
        later = [change for change in changes if change not in now and self._faults.draw(1)]
        await self._store.ledger.commit(now)
        loop = asyncio.get_running_loop()
        # Nobody's own: it is written even if the process that asked for it is gone by then.
        loop.call_later(self._faults.draw(4), self._store.write, later, context=Context())
        await asyncio.sleep(_TIMEOUT * self._faults.draw(1))

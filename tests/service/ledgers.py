"""Ledgers for the tests of the gate: one that lets others in between, one that fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from governor.core.household import Household
from governor.core.standing import ControlState, Standing
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Change, HouseholdChange, Ledger, LedgerUnavailable


class SharedLedger(MemoryLedger):
    """A ledger in memory that lets others go first, as often as the given turns say."""

    def __init__(self, turns: Iterable[int] = ()) -> None:
        super().__init__()
        self._turns: Iterator[int] = iter(turns)

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Load, and let others go on before the answer arrives."""
        found = await super().load(keys)
        await self._others()
        return found

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Let others go on before the changes arrive."""
        await self._others()
        return await super().commit(changes)

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        """Let others go on before the state arrives."""
        await self._others()
        return await super().commit_control(expected, state)

    async def households(self, keys: Sequence[str]) -> list[Household]:
        """Load, and let others go on before the answer arrives."""
        found = await super().households(keys)
        await self._others()
        return found

    async def commit_households(self, changes: Sequence[HouseholdChange]) -> list[bool]:
        """Let others go on before the changes arrive."""
        await self._others()
        return await super().commit_households(changes)

    async def _others(self) -> None:
        for _ in range(next(self._turns, 0)):
            await asyncio.sleep(0)


class FailingLedger:
    """A ledger that answers nothing on the calls that *fails* names.

    Each is a call as `load`, `commit` (nothing is written) or `answer` (all is written, and the
    answer is lost), and `households`, `reserve` and `reserved` the same for households; calls that
    are not named go through.
    """

    def __init__(self, ledger: Ledger, fails: Iterable[str] = ()) -> None:
        self.ledger = ledger
        self.fails = list(fails)

    def _fail(self, call: str) -> None:
        if self.fails and self.fails[0] == call:
            raise LedgerUnavailable(self.fails.pop(0))

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Load, unless this call fails."""
        self._fail("load")
        return await self.ledger.load(keys)

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Write, unless this call fails before or after."""
        self._fail("commit")
        written = await self.ledger.commit(changes)
        self._fail("answer")
        return written

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        """Write, unless this call fails."""
        self._fail("control")
        return await self.ledger.commit_control(expected, state)

    async def households(self, keys: Sequence[str]) -> list[Household]:
        """Load, unless this call fails."""
        self._fail("households")
        return await self.ledger.households(keys)

    async def commit_households(self, changes: Sequence[HouseholdChange]) -> list[bool]:
        """Write, unless this call fails before or after."""
        self._fail("reserve")
        written = await self.ledger.commit_households(changes)
        self._fail("reserved")
        return written

    async def claim(self, until: int, limit: int) -> list[str]:
        """Claim as usual."""
        return await self.ledger.claim(until, limit)

    async def next_due(self) -> int | None:
        """Tell as usual."""
        return await self.ledger.next_due()

    def waiting(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """List as usual."""
        return self.ledger.waiting()

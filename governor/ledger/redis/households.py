"""The side of the ledger in Redis that holds households: a record each, compared by version.

Keys: `<prefix>h:{<pseudonym>}`. A household lies in a slot of its own, so nothing here is written
together with a standing.
"""

from collections.abc import AsyncIterator, Sequence

from governor.core.household import Household
from governor.ledger.household_packing import pack_household, unpack_household
from governor.ledger.packing import pack_version
from governor.ledger.protocol import HouseholdChange, LedgerUnavailable
from governor.ledger.redis.client import Client, Guard
from governor.ledger.redis.custody import Custody
from governor.ledger.redis.wire import Command, Script

_COMMIT = Script("commit.lua")
_DOUBTED = "redis: this ledger has not been found whole yet"


class HouseholdStore(Custody):
    """What a ledger in Redis knows of households; a *guard* has looked at it before."""

    def __init__(self, client: Client, timeout: float, prefix: str, guard: Guard | None) -> None:
        super().__init__(client, timeout, prefix)
        self._guard = guard

    async def households(self, keys: Sequence[str]) -> list[Household]:
        """Return the household of each key, in one round trip."""
        async with self._asking("load households"):
            # The epoch comes last: while it is there, nothing that was read before it was gone.
            asked: list[Command] = [("GET", self._home(key)) for key in keys]
            *found, epoch = await self._send([*asked, ("HGET", self._trust, "epoch")])
            self._must_be_whole(epoch)
            return [unpack_household(record) for record in found]

    async def commit_households(self, changes: Sequence[HouseholdChange]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written."""
        calls = [
            _COMMIT.call(
                [self._home(one.key)], [pack_version(one.expected), pack_household(one.household)]
            )
            for one in changes
        ]
        if not calls:
            return []
        self._must_be_open()
        async with self._asking("commit households"):
            return [mark > 0 for [mark] in await self._send(calls)]

    async def household_keys(self) -> AsyncIterator[list[str]]:
        """Yield, in pages, the key of every household; one may come twice."""
        async for places in self._pages(self._homes):
            yield [place.decode()[len(self._homes) : -1] for place in places]

    def _must_be_open(self) -> None:
        """Refuse to write what was loaded before somebody has doubted this ledger."""
        if self._guard is not None and self._guard.epoch is None:
            raise LedgerUnavailable(_DOUBTED)

    def _must_be_whole(self, epoch: bytes | None) -> None:
        """Refuse what was read of a ledger of another *epoch* than the one that was looked at."""
        if self._guard is not None and epoch != (self._guard.epoch or "").encode():
            raise LedgerUnavailable(_DOUBTED)

    def _home(self, key: str) -> str:
        return f"{self._homes}{key}}}"

"""The ledger in Redis: one record per person, compared and written by version, and a due index.

Keys: `<prefix>p:{<pseudonym>}` a standing, `<prefix>h:{<pseudonym>}` a household,
`<prefix>control`, `<prefix>trust`, `<prefix>due` the index of hints, and beside it
`{<prefix>due}:by` the version that each hint was announced for; `<prefix>restoring` while somebody
fills the ledger.

INVARIANT (nothing-lost): before a standing with something waiting is written, its version is
announced and its hint is no later than its earliest wake_at. Only a commit that stood, or a claim
that looked at the standing, puts a hint later or removes it, and only while nobody has announced
a later version. So a hint may be too early, which claiming heals, but never too late by more than
a lease. Needs Redis 6.2 (`ZADD` with LT and GT).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, cast

from governor.core.standing import ControlState, Standing
from governor.ledger import packing
from governor.ledger.protocol import Change, LedgerUnavailable, earliest_wake
from governor.ledger.recall import Recall
from governor.ledger.redis.client import Client, Guard, connect
from governor.ledger.redis.households import HouseholdStore
from governor.ledger.redis.wire import Command, Script

_Hint = tuple[str, int, int | None]  # key, version, earliest wake_at

_PAGE = 500  # keys that one script or one listing takes at most while others wait
_COMMIT, _CLAIM, _SETTLE = map(Script, ("commit.lua", "claim.lua", "settle.lua"))
_WOKEN = 2  # commit.lua: written over a standing that had something waiting


class RedisLedger(HouseholdStore):
    """A ledger in one Redis, a replicated one, or a cluster.

    An answer that takes longer than *timeout* seconds ends a call with LedgerUnavailable, and so
    do all of its answers after three times as long; the same object works again once Redis
    does. *lease* (ms) is for how long a claimed key is left alone.
    """

    def __init__(
        self,
        client: Client | str,
        prefix: str = "g:",
        *,
        timeout: float = 2.0,
        lease: int = 2000,
        guard: Guard | None = None,
    ) -> None:
        opened = connect(client, timeout, guard) if isinstance(client, str) else client
        super().__init__(opened, timeout, prefix, guard)
        self._claim_ms = lease
        self._recall = Recall()

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Return the control in force and the standing of each key, in one round trip."""
        async with self._asking("load"):
            # The epoch comes last: while it is there, nothing that was read before it was gone.
            asked = [("GET", self._control), *self._reads(keys), ("HGET", self._trust, "epoch")]
            control, *found, epoch = await self._send(asked)
            self._must_be_whole(epoch)
            records = zip(keys, self._records(found), strict=True)
            standings = [self._recall.unpack(key, record) for key, record in records]
            return packing.unpack_control(control), standings

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written."""
        self._must_be_open()
        hints = [(one.key, one.standing.version, earliest_wake(one.standing)) for one in changes]
        rows = [
            (self._place(one.key), one.expected, self._recall.pack(one.key, one.standing))
            for one in changes
        ]
        async with self._asking("commit"):
            marks = await self._write(rows, self._announce(hints))
        woken = [hint for hint, mark in zip(hints, marks, strict=True) if mark == _WOKEN]
        if woken:
            # The changes are written; a hint that stays too early is healed when it is claimed.
            with suppress(LedgerUnavailable):
                async with self._asking("settle"):
                    await self._settle(woken)
        return [mark > 0 for mark in marks]

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        """Write *state* if the version *expected* still stands."""
        self._must_be_open()
        async with self._asking("commit the control"):
            marks = await self._write([(self._control, expected, packing.pack_control(state))])
            return marks == [1]

    async def claim(self, until: int, limit: int) -> list[str]:
        """Return keys with a message due at *until* (ms) or before, soonest first.

        Fewer than *limit* only when no more are due. Hints that turn out to be too early are put
        right, left out, and looked behind.
        """
        due: dict[str, None] = {}
        put_right: set[str] = set()
        async with self._asking("claim"):
            while True:
                claiming = _CLAIM.call([self._due], [until, limit, self._claim_ms])
                [found] = await self._send([claiming])
                keys = [key.decode() for key in found]
                records = self._records(await self._send(self._reads(keys)))
                seen = [
                    (key, *packing.peek(record)) for key, record in zip(keys, records, strict=True)
                ]
                due |= {key: None for key, _, wake in seen if wake is not None and wake <= until}
                early = [hint for hint in seen if hint[0] not in due and hint[0] not in put_right]
                if early:
                    await self._settle(early)
                    put_right.update(hint[0] for hint in early)
                # A hint that somebody is about to announce anew stays, however often it is seen.
                if not early or len(found) < limit:
                    return list(due)

    async def next_due(self) -> int | None:
        """Return the earliest moment (ms) in the due index."""
        async with self._asking("look for what is due"):
            found = await self._client.zrange(self._due, 0, 0, withscores=True)
            return int(found[0][1]) if found else None

    async def waiting(self) -> AsyncIterator[list[str]]:
        """Yield, in pages, every key that may have something waiting; one may come twice."""
        cursor = None
        while cursor != 0:
            async with self._asking("list what waits"):
                answer = await self._client.zscan(self._due, cursor or 0, count=_PAGE)
            cursor, found = cast("tuple[int, list[tuple[bytes, float]]]", answer)
            if found:
                yield [key.decode() for key, _ in found]

    def _place(self, key: str) -> str:
        return f"{self._people}{key}}}"

    def _reads(self, keys: Iterable[str]) -> list[Command]:
        places = [self._place(key) for key in keys]
        if self._cluster:
            return [("GET", place) for place in places]
        return [("MGET", *places)] if places else []

    def _records(self, answers: Sequence[Any]) -> list[bytes | None]:
        return list(answers if self._cluster else chain.from_iterable(answers))

    def _announce(self, hints: Sequence[_Hint]) -> list[Command]:
        ahead = [hint for hint in hints if hint[2] is not None]
        if not ahead:
            return []
        versions = chain.from_iterable((version, key) for key, version, _ in ahead)
        wakes = chain.from_iterable((wake, key) for key, _, wake in ahead)
        return [("ZADD", self._announced, "GT", *versions), ("ZADD", self._due, "LT", *wakes)]

    async def _write(
        self, rows: Sequence[tuple[str, int, bytes]], first: Sequence[Command] = ()
    ) -> list[int]:
        size = 1 if self._cluster else _PAGE
        writes = []
        for start in range(0, len(rows), size):
            places, versions, records = zip(*rows[start : start + size], strict=True)
            pairs = zip(map(packing.pack_version, versions), records, strict=True)
            writes.append(_COMMIT.call(places, chain.from_iterable(pairs)))
        if self._cluster and first:
            await self._send(first)
            first = ()
        answers = await self._send([*first, *writes], together=bool(first))
        return list(chain.from_iterable(answers[len(first) :]))

    async def _settle(self, hints: Sequence[_Hint]) -> None:
        args = chain.from_iterable(
            (key, version, "" if wake is None else wake) for key, version, wake in hints
        )
        await self._send([_SETTLE.call([self._due, self._announced], args)])

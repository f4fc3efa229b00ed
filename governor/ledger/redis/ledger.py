"""The ledger in Redis: one record per person, compared and written by version, and a due index.

Keys: `<prefix>p:{<pseudonym>}` a standing, `<prefix>control`, `<prefix>trust`, `<prefix>due` the
index of hints, and beside it `{<prefix>due}:by` the version that each hint was announced for.

INVARIANT (nothing-lost): before a standing with something waiting is written, its version is
announced and its hint is no later than its earliest wake_at. Only a commit that stood, or a claim
that looked at the standing, puts a hint later or removes it, and only while nobody has announced
a later version. So a hint may be too early, which claiming heals, but never too late by more than
a lease. Needs Redis 6.2 (`ZADD` with LT and GT).
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from itertools import chain
from typing import Any, cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import (
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from governor.core.standing import ControlState, Standing
from governor.ledger import packing
from governor.ledger.protocol import Change, LedgerUnavailable, earliest_wake
from governor.ledger.redis.client import Client, Guard, connect
from governor.ledger.trust import Trust, read_trust, write_trust

log = logging.getLogger(__name__)

_Command = tuple[Any, ...]
_Hint = tuple[str, int, int | None]  # key, version, earliest wake_at

_PAGE = 500  # keys that one script or one listing takes at most while others wait
_FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError, packing.UnreadableError)


class _Script:
    def __init__(self, name: str) -> None:
        self.text = files("governor.ledger").joinpath(name).read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], args: Iterable[Any]) -> _Command:
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


_COMMIT, _CLAIM, _SETTLE, _VOUCH = map(
    _Script, ("commit.lua", "claim.lua", "settle.lua", "vouch.lua")
)
_WOKEN = 2  # commit.lua: written over a standing that had something waiting


class RedisLedger:
    """A ledger in one Redis, a replicated one, or a cluster.

    Every call ends within *timeout* seconds, with LedgerUnavailable if need be, and the same
    object works again once Redis does. *lease* (ms) is for how long a claimed key is left alone.
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
        self._client = connect(client, timeout, guard) if isinstance(client, str) else client
        self._guard = guard
        self._cluster = isinstance(self._client, RedisCluster)
        self._timeout = timeout
        self._lease = lease
        self._may_ask = True
        self._people = prefix + "p:{"
        self._control = prefix + "control"
        self._trust = prefix + "trust"
        self._due = prefix + "due"
        self._announced = f"{{{prefix}due}}:by"

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Return the control in force and the standing of each key, in one round trip."""
        async with self._asking("load"):
            asked = [("GET", self._control), ("HGET", self._trust, "epoch"), *self._reads(keys)]
            control, epoch, *found = await self._send(asked)
            if self._guard is not None and epoch != (self._guard.epoch or "").encode():
                raise LedgerUnavailable("redis: this ledger has not been found whole yet")
            standings = [packing.unpack(record) for record in self._records(found)]
            return packing.unpack_control(control), standings

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written."""
        hints = [(one.key, one.standing.version, earliest_wake(one.standing)) for one in changes]
        rows = [(self._place(one.key), one.expected, packing.pack(one.standing)) for one in changes]
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
        async with self._asking("commit the control"):
            marks = await self._write([(self._control, expected, packing.pack_control(state))])
            return marks == [1]

    async def claim(self, until: int, limit: int) -> list[str]:
        """Return up to *limit* keys with a message due at *until* (ms) or before, soonest first.

        Hints that turn out to be too early are put right and left out.
        """
        async with self._asking("claim"):
            [found] = await self._send([_CLAIM.call([self._due], [until, limit, self._lease])])
            keys = [key.decode() for key in found]
            records = self._records(await self._send(self._reads(keys)))
            seen = [(key, *packing.peek(record)) for key, record in zip(keys, records, strict=True)]
            due = [key for key, _, wake in seen if wake is not None and wake <= until]
            if len(due) < len(seen):
                await self._settle([hint for hint in seen if hint[2] is None or hint[2] > until])
            return due

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

    async def trust(self) -> Trust:
        """Return what the ledger tells of itself, and which server answers now."""
        async with self._asking("be looked at"):
            [stored] = await self._send([("HGETALL", self._trust)])
            fields = stored.items() if isinstance(stored, dict) else _pairs(stored)
            return read_trust(dict(fields), await self._running())

    async def found(self) -> None:
        """Give an empty ledger its epoch."""
        async with self._asking("be founded"):
            await self._send([("HSETNX", self._trust, "epoch", secrets.token_hex(8))])

    async def vouch(self, trust: Trust, at: int, offsets: Mapping[str, Mapping[int, int]]) -> int:
        """Write that the ledger is whole at *at* (ms) on the server that runs, and what is applied.

        Returns the counter, 0 when the ledger is not the one that *trust* tells of any more.
        """
        async with self._asking("be vouched for"):
            fields = write_trust(trust.running, at, offsets)
            call = _VOUCH.call([self._trust], [trust.epoch or "", *fields])
            [counter] = await self._send([call])
            return int(counter)

    async def wipe(self) -> None:
        """Delete everything that this ledger holds."""
        async with self._asking("be emptied"):
            first = (self._trust, self._control, self._due, self._announced)
            await self._send([("DEL", key) for key in first])
        cursor: int | None = None
        match = self._people.replace("{", "[{]") + "*"
        while cursor != 0:
            async with self._asking("be emptied"):
                if isinstance(self._client, RedisCluster):
                    keys = [key async for key in self._client.scan_iter(match, count=_PAGE)]
                    cursor = 0
                else:
                    cursor, keys = await self._client.scan(cursor or 0, match, _PAGE)
                await self._send([("DEL", key) for key in keys])

    async def _running(self) -> str:
        nodes = {"target_nodes": RedisCluster.PRIMARIES} if self._cluster else {}
        answer = await self._client.info("server", **nodes)
        servers = [answer] if "run_id" in answer else answer.values()
        return ",".join(sorted(str(server.get("run_id", "")) for server in servers))

    async def check_server(self) -> int:
        """Return Redis's time (ms); raise LedgerUnavailable where it would drop standings."""
        async with self._asking("be checked"):
            for policy in await self._eviction() - {"noeviction"}:
                raise LedgerUnavailable(
                    f"redis: `maxmemory-policy` is `{policy}`, which would drop standings"
                    " when memory runs short; set it to `noeviction`"
                )
            seconds, micros = await self._client.time()
            return int(seconds) * 1000 + int(micros) // 1000

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        if isinstance(self._client, Redis):
            manager = getattr(self._client.connection_pool, "sentinel_manager", None)
            for watcher in manager.sentinels if manager else ():
                await watcher.aclose()

    async def _eviction(self) -> set[str]:
        nodes = {"target_nodes": RedisCluster.PRIMARIES} if self._cluster else {}
        try:
            answer = await self._client.info("memory", **nodes) if self._may_ask else {}
        except ResponseError as error:
            self._may_ask = False
            log.warning("redis: see to it that `maxmemory-policy` is `noeviction`: %s", error)
            return set()
        found = [answer] if "maxmemory_policy" in answer else answer.values()
        return {memory["maxmemory_policy"] for memory in found}

    def _place(self, key: str) -> str:
        return f"{self._people}{key}}}"

    def _reads(self, keys: Iterable[str]) -> list[_Command]:
        places = [self._place(key) for key in keys]
        if self._cluster:
            return [("GET", place) for place in places]
        return [("MGET", *places)] if places else []

    def _records(self, answers: Sequence[Any]) -> list[bytes | None]:
        return list(answers if self._cluster else chain.from_iterable(answers))

    def _announce(self, hints: Sequence[_Hint]) -> list[_Command]:
        ahead = [hint for hint in hints if hint[2] is not None]
        if not ahead:
            return []
        versions = chain.from_iterable((version, key) for key, version, _ in ahead)
        wakes = chain.from_iterable((wake, key) for key, _, wake in ahead)
        return [("ZADD", self._announced, "GT", *versions), ("ZADD", self._due, "LT", *wakes)]

    async def _write(
        self, rows: Sequence[tuple[str, int, bytes]], first: Sequence[_Command] = ()
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

    async def _send(self, commands: Sequence[_Command], *, together: bool = False) -> list[Any]:
        answers = await self._once(commands, together=together)
        missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            for script in (_COMMIT, _CLAIM, _SETTLE, _VOUCH):
                await self._client.script_load(script.text)
            again = await self._once([commands[i] for i in missing])
            for i, answer in zip(missing, again, strict=True):
                answers[i] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _once(self, commands: Sequence[_Command], *, together: bool = False) -> list[Any]:
        # As a transaction, a refusal of one (memory, replica) is a refusal of all.
        pipeline = self._client.pipeline(transaction=together)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except _FAILURES as error:
            if isinstance(error, ReadOnlyError) and isinstance(self._client, Redis):
                # What was the primary is none any more: its name may lead elsewhere by now.
                await self._client.connection_pool.disconnect(inuse_connections=False)
            why = str(error) or f"no answer within {self._timeout:g} s"
            raise LedgerUnavailable(f"redis: could not {what}: {why}") from error


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)

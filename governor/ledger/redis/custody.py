"""What a ledger in Redis tells of itself, and how it is founded, vouched for, restored, emptied."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from governor.ledger.protocol import LedgerUnavailable, LedgerUnfit
from governor.ledger.redis.client import Client
from governor.ledger.redis.wire import Script, Wire
from governor.ledger.trust import Trust, read_trust, write_trust

log = logging.getLogger(__name__)

Confirm = Callable[[], Awaitable[None]]

_PAGE = 500
_LEASE_MS = 15_000
_KEEP = 4.0
_VOUCH, _LEASE = Script("vouch.lua"), Script("lease.lua")


class Custody(Wire):
    """The side of a ledger that whoever looks after it needs; *prefix* is that of its keys."""

    def __init__(self, client: Client, timeout: float, prefix: str) -> None:
        super().__init__(client, timeout)
        self._people = prefix + "p:{"
        self._homes = prefix + "h:{"
        self._control = prefix + "control"
        self._trust = prefix + "trust"
        self._restoring = prefix + "restoring"
        self._due = prefix + "due"
        self._announced = f"{{{prefix}due}}:by"
        self._name = secrets.token_hex(8)
        self._may_ask = True

    async def trust(self) -> Trust:
        """Return what the ledger tells of itself, and which server answers now."""
        async with self._asking("be looked at"):
            [stored] = await self._send([("HGETALL", self._trust)])
            fields = stored.items() if isinstance(stored, dict) else _pairs(stored)
            servers = await self._info("server", "run_id")
            running = ",".join(sorted(str(server["run_id"]) for server in servers))
            return read_trust(dict(fields), running)

    async def found(self) -> None:
        """Give an empty ledger its epoch."""
        async with self._asking("be founded"):
            await self._send([("HSETNX", self._trust, "epoch", secrets.token_hex(8))])

    async def doubt(self) -> None:
        """Let nobody take this ledger for whole until it is vouched for anew."""
        async with self._asking("be doubted"):
            await self._send([("HDEL", self._trust, "server")])

    async def vouch(self, trust: Trust, at: int, offsets: Mapping[str, Mapping[int, int]]) -> int:
        """Write that the ledger is whole at *at* (ms) on the server that runs, and what is applied.

        Returns the counter, 0 when ledger or server are not those that *trust* tells of any more,
        or somebody doubts it since.
        """
        async with self._asking("be vouched for"):
            fields = write_trust(at, offsets)
            known = [trust.epoch or "", trust.server or "", trust.running]
            call = _VOUCH.call([self._trust], [*known, *fields])
            [counter] = await self._send([call])
            return int(counter)

    @asynccontextmanager
    async def restoring(self) -> AsyncIterator[Confirm]:
        """Keep everybody else from restoring this ledger meanwhile.

        What it gives raises LedgerUnavailable when the ledger was emptied since, or somebody else
        has taken over. So does this, while somebody else restores; whoever dies at it makes room
        in time.
        """
        if not await self._lease("take"):
            raise LedgerUnavailable("redis: this ledger is being restored by somebody else")

        async def confirm() -> None:
            if not await self._lease("keep"):
                raise LedgerUnavailable("redis: was emptied while it was restored")

        over = asyncio.Event()
        keeping = asyncio.create_task(self._keep_lease(over))
        try:
            yield confirm
        finally:
            # Not cancelled: before Python 3.12 the client may swallow that, and go on for ever.
            over.set()
            await keeping
            with suppress(LedgerUnavailable):
                await self._lease("give")

    async def wipe(self) -> None:
        """Delete everything that this ledger holds."""
        async with self._asking("be emptied"):
            first = (self._trust, self._control, self._due, self._announced)
            await self._send([("DEL", key) for key in first])
        for kind in (self._people, self._homes):
            async for keys in self._pages(kind):
                async with self._asking("be emptied"):
                    await self._send([("DEL", key) for key in keys])

    async def people(self) -> AsyncIterator[list[str]]:
        """Yield, in pages, the key of every person; one may come twice."""
        async for places in self._pages(self._people):
            yield [place.decode()[len(self._people) : -1] for place in places]

    async def check_server(self) -> int:
        """Return Redis's time (ms); raise LedgerUnfit where it would drop standings."""
        async with self._asking("be checked"):
            for policy in await self._eviction() - {"noeviction"}:
                raise LedgerUnfit(
                    f"redis: `maxmemory-policy` is `{policy}`, which would drop standings"
                    " when memory runs short; set it to `noeviction`"
                )
            seconds, micros = await self._client.time()
            return int(seconds) * 1000 + int(micros) // 1000

    async def _lease(self, what: str) -> bool:
        async with self._asking("be restored"):
            call = _LEASE.call([self._restoring], [self._name, what, _LEASE_MS])
            return await self._send([call]) == [1]

    async def _keep_lease(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(_KEEP):
                    await over.wait()
            except TimeoutError:
                with suppress(LedgerUnavailable):
                    await self._lease("keep")

    async def _pages(self, kind: str) -> AsyncIterator[list[bytes]]:
        match = kind.replace("{", "[{]") + "*"
        if isinstance(self._client, RedisCluster):
            async with self._asking("be listed"):
                keys = [key async for key in self._client.scan_iter(match, count=_PAGE)]
            yield keys
            return
        cursor: int | None = None
        while cursor != 0:
            async with self._asking("be listed"):
                answer = await self._client.scan(cursor or 0, match, _PAGE)
            cursor, found = cast("tuple[int, list[bytes]]", answer)
            if found:
                yield found

    async def _eviction(self) -> set[str]:
        if not self._may_ask:
            return set()
        try:
            found = await self._info("memory", "maxmemory_policy")
        except ResponseError as error:
            self._may_ask = False
            log.warning("redis: see to it that `maxmemory-policy` is `noeviction`: %s", error)
            return set()
        return {memory["maxmemory_policy"] for memory in found}


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)

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
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from itertools import chain
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnectionError
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

log = logging.getLogger(__name__)

Client = Redis | RedisCluster
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


_COMMIT, _CLAIM, _SETTLE = map(_Script, ("commit.lua", "claim.lua", "settle.lua"))
_WOKEN = 2  # commit.lua: written over a standing that had something waiting


def connect(url: str, timeout: float = 2.0) -> Client:
    """Return a client for *url*, not yet connected, that gives up after *timeout* seconds.

    Besides `redis://` and `rediss://`: `redis+cluster://[name:password@]host:port[,host:port]` and
    `redis+sentinel://[name:password@]host:port[,host:port]/service/database`.
    """
    limits: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    # Once more on a connection that was lost while idle; never after a late answer.
    again = Retry(NoBackoff(), 1, supported_errors=(LostConnectionError,))
    try:
        return _client(url, {**limits, "protocol": 2, "retry": again})
    except ValueError as error:
        raise ValueError(f"GOVERNOR_REDIS: {error}") from None


def _client(url: str, options: dict[str, Any]) -> Client:
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss", "unix"}:
        return Redis.from_url(url, **options)
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in {"redis", "rediss"} or kind not in {"cluster", "sentinel"}:
        raise ValueError(
            f"`{parts.scheme}://` is no way to Redis;"
            " use redis://, rediss://, redis+cluster:// or redis+sentinel://"
        )
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, password = map(unquote, login.partition(":"))
    options |= {"username": name or None, "password": password or None, "ssl": scheme == "rediss"}
    options |= {option: value for option, value in parse_qsl(parts.query) if option[:4] == "ssl_"}
    if kind == "cluster":
        nodes = [ClusterNode(*address) for address in _addresses(hosts, 6379)]
        return RedisCluster(startup_nodes=nodes, **options)
    service, _, database = parts.path.strip("/").partition("/")
    shared = {option: options[option] for option in options if option[:3] in {"soc", "ssl"}}
    watchers = _addresses(hosts, 26379)
    sentinel = Sentinel(watchers, 0, shared, **options)  # type: ignore[no-untyped-call]
    primary: Redis = sentinel.master_for(service or "mymaster", db=int(database or 0))
    return primary


def _addresses(hosts: str, port: int) -> list[tuple[str, int]]:
    found = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return [(host.hostname or "localhost", host.port or port) for host in found]


class RedisLedger:
    """A ledger in one Redis, a replicated one, or a cluster.

    Every call ends within *timeout* seconds, with LedgerUnavailable if need be, and the same
    object works again once Redis does. *lease* (ms) is for how long a claimed key is left alone.
    """

    def __init__(
        self, client: Client | str, prefix: str = "g:", *, timeout: float = 2.0, lease: int = 2000
    ) -> None:
        self._client = connect(client, timeout) if isinstance(client, str) else client
        self._cluster = isinstance(self._client, RedisCluster)
        self._timeout = timeout
        self._lease = lease
        self._people = prefix + "p:{"
        self._control = prefix + "control"
        self._trust = prefix + "trust"
        self._due = prefix + "due"
        self._announced = f"{{{prefix}due}}:by"

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Return the control in force and the standing of each key, in one round trip."""
        async with self._asking("load"):
            control, *found = await self._send([("GET", self._control), *self._reads(keys)])
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

    async def beat(self) -> tuple[str, int]:
        """Raise the counter of trust; return the ledger's epoch, which it keeps for life, and it.

        Another epoch, or a counter that went backwards, tells that writes have been lost.
        """
        async with self._asking("beat"):
            begin = ("HSETNX", self._trust, "epoch", secrets.token_hex(8))
            count = ("HINCRBY", self._trust, "counter", 1)
            _, counter, epoch = await self._send([begin, count, ("HGET", self._trust, "epoch")])
            return epoch.decode(), counter

    async def check_server(self) -> int:
        """Return Redis's time (ms); raise LedgerUnavailable where it would drop standings."""
        async with self._asking("be checked"):
            for policy in await self._eviction():
                if policy != "noeviction":
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

    async def _eviction(self) -> list[str]:
        nodes = {"target_nodes": RedisCluster.PRIMARIES} if self._cluster else {}
        try:
            answer = await self._client.info("memory", **nodes)
        except ResponseError as error:
            log.warning("redis: see to it that `maxmemory-policy` is `noeviction`: %s", error)
            return []
        found = [answer] if "maxmemory_policy" in answer else answer.values()
        return [memory["maxmemory_policy"] for memory in found]

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
            for script in (_COMMIT, _CLAIM, _SETTLE):
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

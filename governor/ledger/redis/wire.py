"""How governor speaks to Redis: pipelines, scripts that load themselves, and bounded patience."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, ClassVar

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import (
    AuthenticationError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import TimeoutError as LateError

from governor.ledger import packing
from governor.ledger.protocol import LedgerUnavailable, LedgerUnfit
from governor.ledger.redis.client import Client

Command = tuple[Any, ...]

_ANSWERS = 3
"""How many answers an errand may wait for, each as long as a single one may take."""
_GONE = "the handler is closed"
"""What uvloop says, as a RuntimeError, of a write to a connection that is gone."""
_FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError, packing.UnreadableError)


class Script:
    """A Lua script beside the ledger, called by its hash."""

    _texts: ClassVar[dict[str, str]] = {}

    def __init__(self, name: str) -> None:
        text = files("governor.ledger").joinpath(name).read_text()
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._texts[self.sha] = text

    def call(self, keys: Sequence[str], args: Iterable[Any]) -> Command:
        """Return the command that runs the script."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)

    @classmethod
    def in_full(cls, call: Command) -> Command:
        """Return the command that does what *call* does where the script is not known."""
        return ("EVAL", cls._texts[call[1]], *call[2:])


class Wire:
    """One client, whose every errand ends in time."""

    def __init__(self, client: Client, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._cluster = isinstance(client, RedisCluster)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        if isinstance(self._client, Redis):
            manager = getattr(self._client.connection_pool, "sentinel_manager", None)
            for watcher in manager.sentinels if manager else ():
                await watcher.aclose()

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        """Turn whatever goes wrong, and what takes too long, into LedgerUnavailable."""
        try:
            async with asyncio.timeout(_ANSWERS * self._timeout):
                yield
        except (*_FAILURES, RuntimeError) as error:
            if isinstance(error, RuntimeError) and _GONE not in str(error):
                raise
            if isinstance(error, ReadOnlyError) and isinstance(self._client, Redis):
                # What was the primary is none any more: its name may lead elsewhere by now.
                await self._client.connection_pool.disconnect(inuse_connections=False)
            late = isinstance(error, TimeoutError | LateError)
            why = f"no answer within {self._timeout:g} s" if late else str(error)
            refused = isinstance(error, AuthenticationError)
            kind = LedgerUnfit if refused else LedgerUnavailable
            raise kind(f"redis: could not {what}: {why or repr(error)}") from error

    async def _send(self, commands: Sequence[Command], *, together: bool = False) -> list[Any]:
        answers = await self._once(commands, together=together)
        missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            again = await self._once([Script.in_full(commands[i]) for i in missing])
            for i, answer in zip(missing, again, strict=True):
                answers[i] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _once(self, commands: Sequence[Command], *, together: bool = False) -> list[Any]:
        # As a transaction, a refusal of one (memory, replica) is a refusal of all.
        pipeline = self._client.pipeline(transaction=together)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    async def _info(self, section: str, sign: str) -> list[dict[str, Any]]:
        """Return a section of INFO from every server that holds standings; *sign* is in each."""
        nodes = {"target_nodes": RedisCluster.PRIMARIES} if self._cluster else {}
        answer = await self._client.info(section, **nodes)
        return [answer] if sign in answer else list(answer.values())

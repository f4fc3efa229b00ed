"""Opens ledgers and plain connections for the length of a test, and closes them after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from governor.ledger.redis import RedisLedger


@asynccontextmanager
async def opened(to: str | Redis, prefix: str = "g:", **options: Any) -> AsyncIterator[RedisLedger]:
    """Give a ledger on a URL or on an open client."""
    ledger = RedisLedger(to, prefix, **options)
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Redis]:
    """Give a connection that sees what lies behind the ledger."""
    client = Redis.from_url(url)
    try:
        yield client
    finally:
        await client.aclose()

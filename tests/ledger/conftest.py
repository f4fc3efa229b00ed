"""Every kind of ledger under one name, and the servers that only these tests need."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Ledger
from governor.ledger.redis import RedisLedger
from tests.ledger.servers import ClusterServer
from tests.servers import RedisServer, ServerUnavailableError

_prefixes = (f"t{number}:" for number in itertools.count())


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[ClusterServer]:
    """Give a cluster of one node, which refuses commands over slots like a large one."""
    try:
        server = ClusterServer().__enter__()
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(params=["memory", "redis", "cluster"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    """Give each kind of ledger, empty; claims lease nothing."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    name = "redis_server" if request.param == "redis" else "redis_cluster"
    server: RedisServer = request.getfixturevalue(name)
    opened = RedisLedger(server.url, next(_prefixes), timeout=10.0, lease=0)
    yield opened
    await opened.close()


@pytest.fixture
async def redis_ledger(redis_url: str) -> AsyncIterator[RedisLedger]:
    """Give a ledger in the shared Redis, emptied, as production has it."""
    opened = RedisLedger(redis_url)
    yield opened
    await opened.close()

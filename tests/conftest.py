"""What all tests share: the real servers, started by the first test that asks, and hypothesis."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import KafkaServer, RedisServer, ServerUnavailableError
from tests.servers.process import Server

S = TypeVar("S", bound=Server)
CI = bool(os.environ.get("CI"))

# Which mark a fixture gives to its tests, so that `-m "not kafka"` leaves them out.
MARKS = {
    "kafka": "kafka",
    "own_kafka": "kafka",
    "redis_server": "redis",
    "redis_url": "redis",
    "own_redis": "redis",
}
NOT_RUN = pytest.StashKey[dict[str, str]]()

_slow_machines = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "dev", deadline=None, max_examples=50, suppress_health_check=_slow_machines
)
# The same examples every time: what is submitted is judged by what it changes. `dev` and `deep`
# look for new ones.
settings.register_profile(
    "ci", settings.get_profile("dev"), max_examples=200, derandomize=True, print_blob=True
)
settings.register_profile("deep", settings.get_profile("dev"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if CI else "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the server that it needs."""
    for item in items:
        needed = {MARKS[name] for name in getattr(item, "fixturenames", ()) if name in MARKS}
        for mark in sorted(needed):
            item.add_marker(mark)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which suites could not run, and why."""
    for name, why in config.stash.get(NOT_RUN, {}).items():
        terminalreporter.write_line(f"NOT RUN: the tests that need {name}: {why}", red=True)


@contextmanager
def _running(request: pytest.FixtureRequest, kind: type[S]) -> Iterator[S]:
    try:
        server = kind().__enter__()
    except ServerUnavailableError as error:
        request.config.stash.setdefault(NOT_RUN, {})[kind.name] = str(error)
        (pytest.fail if CI else pytest.skip)(f"{kind.name} is not available: {error}")
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[KafkaServer]:
    """Give the broker that all tests share; each takes topics and groups of its own."""
    with _running(request, KafkaServer) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Give the Redis that all tests share."""
    with _running(request, RedisServer) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Give the URL of the shared Redis, emptied."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def own_kafka(request: pytest.FixtureRequest) -> Iterator[KafkaServer]:
    """Give a broker that the test may stop, kill and pause."""
    with _running(request, KafkaServer) as server:
        yield server


@pytest.fixture
def own_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Give a Redis that the test may stop, kill and pause."""
    with _running(request, RedisServer) as server:
        yield server

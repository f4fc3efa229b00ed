"""Stages for whole-gate tests: one that most share, and fresh ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kit import Stage
from tests.e2e.values import policy
from tests.servers import KafkaServer, RedisServer

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[MakeStage]:
    """Give what makes a stage with topics and a ledger of its own, and no worker yet."""
    with ExitStack() as made:

        def make(rules: dict[str, Any] | None = None, **more: Any) -> Stage:
            brokers = more.pop("brokers", kafka.bootstrap)
            redis = more.pop("redis", redis_server.url)
            return made.enter_context(Stage(brokers, redis, tmp_path, rules or policy(), **more))

        yield make


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """Give a stage of its own, with the usual policy and no worker yet."""
    return make_stage()


@pytest.fixture(scope="package")
def gate(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Give a stage with one worker that judges, shared: take people of your own."""
    folder = tmp_path_factory.mktemp("gate")
    with Stage(kafka.bootstrap, redis_server.url, folder, policy()) as made:
        made.worker().wait_until_ready()
        yield made

"""A ledger that is slow, full, frozen or cut off: the gate holds, loses nothing, and goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from governor.config import topics
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, consent, policy
from tests.e2e.worker import Worker
from tests.faults.ledger_faults import Proxy, client, held_for, verified, wait_until_held
from tests.servers import KafkaServer, RedisServer, ServerUnavailableError


class Trouble:
    """A worker whose way to Redis can be disturbed; every test has people of its own."""

    def __init__(self, stage: Stage, worker: Worker, redis: RedisServer, proxy: Proxy) -> None:
        self.stage = stage
        self.worker = worker
        self.redis = redis
        self.proxy = proxy

    def greet(self, name: str, count: int = 20) -> list[str]:
        """Let people come who have agreed, and return their names once that is applied."""
        names = list(people(name, count))
        self.stage.tell(topics.CONSENTS, *map(consent, names))
        self.stage.wait_for(lambda: self.stage.uncommitted() == {})
        return names

    def send(self, names: list[str]) -> None:
        self.stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in names))

    def released(self, names: list[str]) -> int:
        return sum(one["person"] in set(names) for one in self.stage.released())

    def all_released_once(self, names: list[str]) -> None:
        """Wait until each has got theirs; the ledger and the topics agree then."""
        self.stage.wait_for(lambda: self.released(names) >= len(names), within=30)
        for one in names:
            assert len(self.stage.released(one)) == 1
        self.worker.wait_until_ready()
        assert self.worker.process.poll() is None


@pytest.fixture(scope="module")
def trouble(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trouble]:
    try:
        redis = RedisServer().__enter__()
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("trouble")
    with (
        redis,
        Proxy(redis.port) as proxy,
        Stage(kafka.bootstrap, proxy.url, folder, policy()) as stage,
    ):
        made = Trouble(stage, stage.worker().wait_until_ready(), redis, proxy)
        yield made
        stage.settings["GOVERNOR_REDIS"] = redis.url
        verified(stage)
        assert "read again" not in made.worker.words


def test_a_full_ledger_holds_the_gate_until_there_is_room(trouble: Trouble) -> None:
    names = trouble.greet("full")
    with client(trouble.redis) as redis:
        redis.config_set("maxmemory", 1)
        trouble.send(names)
        assert "maxmemory" in wait_until_held(trouble.stage, trouble.worker)
        before = held_for(trouble.worker)
        trouble.stage.wait_for(lambda: held_for(trouble.worker) > before + 2)
        assert trouble.released(names) == 0
        redis.config_set("maxmemory", 0)
    trouble.all_released_once(names)


def test_scripts_that_redis_forgets_are_loaded_again(trouble: Trouble) -> None:
    names = trouble.greet("scripts")
    with client(trouble.redis) as redis:
        for one in names:
            redis.script_flush()
            trouble.send([one])
    trouble.all_released_once(names)


def test_a_slow_ledger_makes_the_gate_slow(trouble: Trouble) -> None:
    names = trouble.greet("slow")
    with client(trouble.redis) as redis:
        for _ in range(4):
            redis.client_pause(1_000)
            trouble.send(names[:5])
            names = names[5:] + names[:5]
            time.sleep(1.2)
    trouble.all_released_once(names)


def test_a_connection_that_is_half_open_is_given_up(trouble: Trouble) -> None:
    names = trouble.greet("halfopen")
    trouble.proxy.freeze()
    trouble.send(names)
    assert "no answer within 2 s" in wait_until_held(trouble.stage, trouble.worker)
    assert trouble.released(names) == 0
    trouble.proxy.heal()
    trouble.all_released_once(names)


def test_a_frozen_ledger_holds_the_gate_as_long_as_it_is(trouble: Trouble) -> None:
    names = trouble.greet("frozen")
    before = held_for(trouble.worker)
    trouble.redis.pause()
    try:
        trouble.send(names)
        wait_until_held(trouble.stage, trouble.worker)
        trouble.stage.wait_for(lambda: held_for(trouble.worker) > before + 5)
        assert trouble.released(names) == 0
    finally:
        trouble.redis.resume()
    trouble.all_released_once(names)


@pytest.mark.slow
def test_a_server_that_drops_keys_is_refused_at_the_start(
    own_redis: RedisServer, make_stage: MakeStage
) -> None:
    with client(own_redis) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    worker = make_stage(redis=own_redis.url).worker()
    assert worker.wait(90) == 4
    assert "redis: `maxmemory-policy` is `allkeys-lru`" in worker.words
    assert "set it to `noeviction`" in worker.words
    assert "Traceback" not in worker.words

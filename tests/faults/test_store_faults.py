"""A ledger that is away, slow, full, frozen or cut off: the gate holds, loses nothing, goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from governor.config import topics
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import people
from tests.e2e.values import candidate, consent
from tests.e2e.worker import Worker
from tests.faults.ground import Ground, ground, wait_until_held
from tests.faults.ledger_faults import Proxy, client
from tests.servers import KafkaServer, RedisServer, ServerUnavailableError


class Trouble:
    """A worker with traffic, whose way to Redis can be disturbed."""

    def __init__(self, ground: Ground, redis: RedisServer, proxy: Proxy) -> None:
        self.ground = ground
        self.redis = redis
        self.proxy = proxy
        self.worker: Worker = ground.begin()

    def hold(self, names: list[str], *, longer: float) -> str:
        """Write to *names* while the ledger is away; return why the gate is held meanwhile."""
        self.ground.write_to(names)
        self.ground.busy(20)
        words = wait_until_held(self.ground.stage, self.worker, "ledger", longer=longer)
        assert self.worker.metric("governor_trusted") == 0
        assert not self.ground.reached(names)
        return words

    def is_over(self, names: list[str]) -> None:
        """Wait until all is as it should be; the worker is the one that was there before."""
        self.ground.wait_until_reached(names)
        report = self.ground.at_rest()
        assert sorted(self.ground.reached(names)) == sorted(names), str(report)
        assert self.worker.metric("governor_trusted") == 1
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
        ground(kafka.bootstrap, redis, folder, 7, way=proxy.url) as made,
    ):
        trouble = Trouble(made, redis, proxy)
        yield trouble
        assert "read again" not in trouble.worker.words


def test_a_full_ledger_holds_the_gate_until_there_is_room(trouble: Trouble) -> None:
    names = trouble.ground.greet("full")
    with client(trouble.redis) as redis:
        redis.config_set("maxmemory", 1)
        assert "maxmemory" in trouble.hold(names, longer=2)
        redis.config_set("maxmemory", 0)
    trouble.is_over(names)


def test_scripts_that_redis_forgets_are_loaded_again(trouble: Trouble) -> None:
    names = trouble.ground.greet("scripts")
    with client(trouble.redis) as redis:
        for one in names:
            redis.script_flush()
            trouble.ground.write_to([one])
    trouble.is_over(names)
    assert "No matching script" not in trouble.worker.words


def test_an_answer_that_takes_a_second_makes_the_gate_slow_and_no_more(trouble: Trouble) -> None:
    names = trouble.ground.greet("slow")
    before = trouble.worker.metric("governor_batch_seconds_sum", step="commit")
    try:
        trouble.proxy.delay = 1.0
        trouble.ground.write_to(names)
        trouble.ground.busy(6)
        trouble.ground.wait_until_reached(names)
        assert trouble.worker.ask("/health/live")[0] == 200
        trouble.worker.wait_until_ready()
    finally:
        trouble.proxy.delay = 0.0
    trouble.is_over(names)
    spent = trouble.worker.metric("governor_batch_seconds_sum", step="commit") - before
    assert spent > 1.0


def test_connections_are_made_to_a_ledger_whose_every_answer_takes_a_second(
    trouble: Trouble,
) -> None:
    names = trouble.ground.greet("slowly")
    try:
        trouble.proxy.delay = 1.0
        trouble.proxy.cut()
        trouble.ground.write_to(names)
        trouble.ground.wait_until_reached(names)
    finally:
        trouble.proxy.delay = 0.0
    trouble.is_over(names)


def test_a_connection_that_is_half_open_is_given_up(trouble: Trouble) -> None:
    names = trouble.ground.greet("halfopen")
    trouble.proxy.freeze()
    assert "no answer within 2 s" in trouble.hold(names, longer=2)
    trouble.proxy.heal()
    trouble.is_over(names)


def test_a_frozen_ledger_holds_the_gate_as_long_as_it_is(trouble: Trouble) -> None:
    names = trouble.ground.greet("frozen")
    trouble.redis.pause()
    try:
        trouble.hold(names, longer=8)
    finally:
        trouble.redis.resume()
    trouble.is_over(names)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_ledger_that_is_away_for_more_than_a_minute_costs_nothing_but_the_time(
    trouble: Trouble,
) -> None:
    """Away altogether, then frozen: longer than every timeout and every watchdog."""
    names, others = trouble.ground.greet("gone"), trouble.ground.greet("still")
    try:
        trouble.proxy.target = 9
        trouble.proxy.cut()
        trouble.hold(names, longer=65)
    finally:
        trouble.proxy.target = trouble.redis.port
    trouble.is_over(names)
    trouble.redis.pause()
    try:
        trouble.hold(others, longer=65)
    finally:
        trouble.redis.resume()
    trouble.is_over(others)


def test_a_worker_that_starts_while_its_ledger_is_away_holds_until_it_answers(
    own_redis: RedisServer, make_stage: MakeStage
) -> None:
    stage = make_stage(redis=own_redis.url)
    own_redis.stop()
    worker = stage.worker()
    [name] = people("early", 1)
    stage.tell(topics.CONSENTS, consent(name))
    stage.tell(topics.CANDIDATES, candidate(name, "m-1"))
    stage.wait_for(lambda: worker.ask("/health/live")[0] == 200)
    words = wait_until_held(stage, worker, "ledger", longer=1.5)
    assert words.startswith("redis: ")
    assert "the worker starts and holds until its ledger answers: redis: " in worker.words
    assert not stage.decisions()
    own_redis.start()
    worker.wait_until_ready()
    assert stage.final(name, "m-1")["outcome"] == "release"
    assert "read again" not in worker.words


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_drops_keys_is_refused_at_once(
    own_redis: RedisServer, make_stage: MakeStage, policy: str
) -> None:
    with client(own_redis) as redis:
        redis.config_set("maxmemory-policy", policy)
    worker = make_stage(redis=own_redis.url).worker()
    assert worker.wait(25) == 4
    assert f"redis: `maxmemory-policy` is `{policy}`" in worker.words
    assert "set it to `noeviction`" in worker.words
    assert "Traceback" not in worker.words


def test_a_password_that_is_refused_is_told_at_once(
    own_redis: RedisServer, make_stage: MakeStage
) -> None:
    with client(own_redis) as redis:
        redis.config_set("requirepass", "right")
        redis.auth("right")
        worker = make_stage(redis=own_redis.url.replace("//", "//:wrong@")).worker()
        assert worker.wait(25) == 4
        redis.config_set("requirepass", "")
    assert "redis: could not be checked: " in worker.words
    assert "wrong@" not in worker.words
    assert "Traceback" not in worker.words

"""When something is away the gate holds, says so, loses nothing, and goes on by itself."""

from __future__ import annotations

from collections import Counter

from governor.config import topics
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, consent, moment
from tests.e2e.worker import Worker
from tests.servers import KafkaServer, RedisServer


def all_released_once(stage: Stage, names: list[str]) -> bool:
    finals = Counter(one["person"] for one in stage.decisions() if one["final"])
    sent = {one["person"] for one in stage.released()}
    return sent == set(names) and set(finals.values()) == {1} and len(finals) == len(names)


def held_for(worker: Worker, cause: str) -> float:
    return worker.metric("governor_held_closed_seconds_total", cause=cause)


def test_nothing_is_released_while_the_ledger_is_away_and_everything_after(
    own_redis: RedisServer, make_stage: MakeStage
) -> None:
    stage = make_stage(redis=own_redis.url)
    worker = stage.worker().wait_until_ready()
    names = people("away", 60)
    stage.tell(topics.CONSENTS, *map(consent, names))
    waiting, frozen, killed = names[:20], names[20:40], names[40:]
    due = moment(3)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in waiting))
    stage.wait_for(lambda: len(stage.decisions()) == 20)

    own_redis.pause()
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in frozen))
    stage.wait_for(lambda: "ledger" in worker.reasons())
    assert worker.ask("/health/live")[0] == 200
    stage.wait_for(lambda: held_for(worker, "ledger") >= 3)
    assert stage.released() == []
    own_redis.resume()
    worker.wait_until_ready()
    stage.wait_for(lambda: all_released_once(stage, [*waiting, *frozen]))

    own_redis.kill()
    stage.wait_for(lambda: "ledger" in worker.reasons())
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in killed))
    before = held_for(worker, "ledger")
    stage.wait_for(lambda: held_for(worker, "ledger") >= before + 2)
    assert worker.ask("/health/live")[0] == 200
    assert len(stage.released()) == 40
    own_redis.start()
    worker.wait_until_ready()
    stage.wait_for(lambda: all_released_once(stage, names))
    assert worker.process.poll() is None


def test_a_withdrawal_that_comes_while_the_ledger_is_away_counts_before_what_waits(
    own_redis: RedisServer, make_stage: MakeStage
) -> None:
    stage = make_stage(redis=own_redis.url)
    worker = stage.worker().wait_until_ready()
    names = people("meanwhile", 20)
    stage.tell(topics.CONSENTS, *map(consent, names))
    due = moment(3)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in names))
    stage.wait_for(lambda: len(stage.decisions()) == 20)
    own_redis.kill()
    stage.wait_for(lambda: "ledger" in worker.reasons())
    stage.tell(topics.CONSENTS, *(consent(one, "withdraw", 0) for one in names))
    stage.wait_for(lambda: moment() > due)
    own_redis.start()
    stage.wait_for(lambda: sum(one["final"] for one in stage.decisions()) == 20)
    assert {one["code"] for one in stage.decisions() if one["final"]} == {"consent_withdrawn"}
    assert stage.released() == []


def test_a_restart_of_the_broker_is_ridden_out(
    own_kafka: KafkaServer, make_stage: MakeStage
) -> None:
    stage = make_stage(brokers=own_kafka.bootstrap)
    worker = stage.worker().wait_until_ready()
    before, after, waiting = (people(name, 30) for name in ("before", "after", "waiting"))
    stage.tell(topics.CONSENTS, *map(consent, [*before, *after, *waiting]))
    due = moment(8)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in waiting))
    for one in before:
        stage.send(topics.CANDIDATES, candidate(one, "m-1"))
    own_kafka.restart()
    for one in after:
        stage.send(topics.CANDIDATES, candidate(one, "m-1"))
    stage.flush()
    stage.wait_for(
        lambda: {one["person"] for one in stage.released()} == {*before, *after, *waiting}, 60
    )
    finals: dict[str, set[str]] = {}
    for line in stage.decisions():
        if line["final"]:
            finals.setdefault(line["person"], set()).add(line["id"])
    assert len(finals) == 90
    assert all(len(ids) == 1 for ids in finals.values())
    assert worker.process.poll() is None
    worker.wait_until_ready()

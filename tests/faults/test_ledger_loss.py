"""What the ledger loses the gate notices, reads again from the topics, and only then goes on."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from governor.config import topics
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import Stage, people
from tests.e2e.values import answer, cancellation, candidate, consent, control, feedback, moment
from tests.faults.ledger_faults import (
    Proxy,
    back_up,
    client,
    command,
    crash,
    held_for,
    put_back,
    verified,
    wait_until_held,
    written,
)
from tests.servers import RedisServer

Pairs = set[tuple[str, str]]


def sent(stage: Stage) -> Counter[tuple[str, str]]:
    """How often each message of each person was released."""
    return Counter((one["person"], one["id"]) for one in stage.released())


def once(pairs: Pairs) -> Counter[tuple[str, str]]:
    return Counter(dict.fromkeys(pairs, 1))


def codes(stage: Stage, names: list[str], message: str) -> Counter[str | None]:
    """The final codes of a message for some people, as soon as all have one."""
    return Counter(stage.final(one, message)["code"] for one in names)


def test_never_above_a_cap_what_a_crash_took_from_the_ledger_is_read_again(
    own_redis: RedisServer,
    make_stage: MakeStage,
) -> None:
    """A power cut under `appendfsync everysec`: the last writes were answered and are gone."""
    stage = make_stage(redis=own_redis.url)
    worker = stage.worker().wait_until_ready()
    names = list(people("cut", 40))
    stage.tell(topics.CONSENTS, *map(consent, names))
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-0") for one in names[:5]))
    stage.wait_for(lambda: len(stage.released()) == 5)
    survives = written(own_redis)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in names[5:]))
    stage.wait_for(lambda: len(stage.released()) == 40)
    before = held_for(worker)

    # The worker does not see the server go. Then candidates are there at once, and every one of
    # them would break the cap.
    worker.process.send_signal(signal.SIGSTOP)
    crash(own_redis, keeping=survives)
    own_redis.start()
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-2") for one in names))
    worker.process.send_signal(signal.SIGCONT)
    assert "read again from the topics" in wait_until_restoring(stage)
    assert codes(stage, names, "m-2") == {"cap_reached": 40}
    assert sent(stage) == once(
        {(one, "m-0") for one in names[:5]} | {(n, "m-1") for n in names[5:]}
    )
    assert held_for(worker) > before
    worker.wait_until_ready()
    assert verified(stage)["people"] == 40


def wait_until_restoring(stage: Stage) -> str:
    """Wait until the last worker restores, which it says in its log; it is not ready then."""
    worker = stage.workers[-1]
    stage.wait_for(lambda: "read again from the topics" in worker.words)
    return wait_until_held(stage, worker) and worker.words


def test_fail_closed_all_that_was_told_shortly_before_a_crash_holds_after_it(
    own_redis: RedisServer,
    make_stage: MakeStage,
) -> None:
    stage = make_stage(redis=own_redis.url)
    worker = stage.worker().wait_until_ready()
    withdrawn, refunded, cancelled, paused, resumed, refused, approved = (
        list(people(name, 6))
        for name in "withdrawn refunded cancelled paused resumed no yes".split()
    )
    everybody = [*withdrawn, *refunded, *cancelled, *paused, *resumed, *refused, *approved]
    stage.tell(topics.CONSENTS, *map(consent, everybody))
    stage.tell(topics.CONTROL, control("pause", campaign="autumn"))
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in refunded))
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", campaign="autumn") for one in resumed))
    stage.tell(
        topics.CANDIDATES,
        *(candidate(one, "m-1", campaign="reviewed") for one in [*refused, *approved]),
    )
    stage.wait_for(lambda: len(stage.decisions()) == 24)
    survives = written(own_redis)

    stage.tell(topics.CONSENTS, *(consent(one, "withdraw", 0) for one in withdrawn))
    stage.tell(topics.FEEDBACK, *(feedback(one, "m-1", "bounced") for one in refunded))
    stage.tell(topics.CANCELLATIONS, *(cancellation(one, message="m-2") for one in cancelled))
    stage.tell(topics.CONTROL, control("resume", campaign="autumn"))
    stage.tell(topics.CONTROL, control("pause", campaign="winter"))
    stage.tell(topics.REVIEWS, *(answer(one, "m-1", "refuse") for one in refused))
    stage.tell(topics.REVIEWS, *(answer(one, "m-1", "approve") for one in approved))
    stage.wait_for(lambda: stage.uncommitted() == {})
    stage.wait_for(lambda: sum(one["final"] for one in stage.decisions()) == 24)

    crash(own_redis, keeping=survives)
    own_redis.start()
    for one in everybody:
        campaign = "winter" if one in paused else "spring"
        stage.send(topics.CANDIDATES, candidate(one, "m-2", campaign=campaign))
    stage.flush()
    assert codes(stage, withdrawn, "m-2") == {"consent_withdrawn": 6}
    assert codes(stage, refunded, "m-2") == {None: 6}
    assert codes(stage, cancelled, "m-2") == {"cancelled": 6}
    assert {stage.decision(one, "m-2")["code"] for one in paused} == {"paused_campaign"}
    assert codes(stage, refused, "m-1") == {"review_refused": 6}
    for group in (resumed, approved):
        assert codes(stage, group, "m-1") == {None: 6}
        assert codes(stage, group, "m-2") == {"cap_reached": 6}
    assert max(sent(stage).values()) == 1
    worker.wait_until_ready()
    verified(stage)


def test_a_ledger_that_is_emptied_in_the_middle_of_traffic_is_filled_again(
    own_redis: RedisServer,
    make_stage: MakeStage,
) -> None:
    stage = make_stage(redis=own_redis.url)
    workers = [stage.worker(), stage.worker()]
    for worker in workers:
        worker.wait_until_ready()
    names = list(people("flushed", 60))
    waiting = list(people("waits", 10))
    stage.tell(topics.CONSENTS, *map(consent, [*names, *waiting]))
    due = moment(15)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in waiting))
    stage.wait_for(lambda: len(stage.decisions()) == 10)
    for number, one in enumerate(names):
        stage.send(topics.CANDIDATES, candidate(one, "m-1"))
        if number == 30:
            stage.flush()
            stage.wait_for(stage.released)
            own_redis.flush()
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-2") for one in names))
    for worker in workers:
        wait_until_held(stage, worker)
    firsts, seconds = codes(stage, names, "m-1"), codes(stage, names, "m-2")
    assert firsts + seconds == {None: 60, "cap_reached": 60}
    assert codes(stage, waiting, "m-1") == {None: 10}
    assert max(Counter(one["person"] for one in stage.released()).values()) == 1
    for worker in workers:
        worker.wait_until_ready()
        assert held_for(worker) > 0
    verified(stage)


@pytest.mark.slow
def test_an_old_backup_is_brought_up_to_date_before_it_is_used(
    own_redis: RedisServer,
    make_stage: MakeStage,
    tmp_path: Path,
) -> None:
    stage = make_stage(redis=own_redis.url)
    worker = stage.worker().wait_until_ready()
    early, late = list(people("early", 10)), list(people("late", 10))
    stage.tell(topics.CONSENTS, *map(consent, early))
    due = moment(8)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in early))
    stage.wait_for(lambda: len(stage.decisions()) == 10)
    back_up(own_redis, tmp_path / "backup")
    # The people, consents, releases and bounces of what the backup knows nothing of.
    stage.tell(topics.CONSENTS, *map(consent, late))
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in late))
    stage.wait_for(lambda: len(stage.released()) == 20)
    stage.tell(topics.FEEDBACK, *(feedback(one, "m-1", "bounced") for one in late[:5]))
    stage.tell(topics.CONSENTS, *(consent(one, "withdraw", 0) for one in early[:5]))
    stage.wait_for(lambda: stage.uncommitted() == {})

    crash(own_redis)
    put_back(own_redis, tmp_path / "backup")
    own_redis.start()
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-2") for one in [*early, *late]))
    assert codes(stage, early, "m-2") == {"consent_withdrawn": 5, "cap_reached": 5}
    assert codes(stage, late, "m-2") == {None: 5, "cap_reached": 5}
    assert max(sent(stage).values()) == 1
    worker.wait_until_ready()
    verified(stage)


@pytest.mark.slow
def test_a_replica_that_lagged_behind_takes_over_and_is_brought_up_to_date(
    own_redis: RedisServer,
    make_stage: MakeStage,
) -> None:
    with (
        RedisServer() as replica,
        Proxy(own_redis.port) as name,
        Proxy(own_redis.port) as replication,
    ):
        stage = make_stage(redis=name.url)
        worker = stage.worker().wait_until_ready()
        names = list(people("failover", 20))
        with client(replica) as second, client(own_redis) as first:
            second.replicaof("127.0.0.1", replication.port)
            stage.wait_for(lambda: second.info("replication")["master_link_status"] == "up")
            stage.tell(topics.CONSENTS, *map(consent, names))
            stage.wait_for(lambda: stage.uncommitted() == {})
            first.wait(1, 5_000)
            replication.freeze()
            stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in names))
            stage.wait_for(lambda: len(stage.released()) == 20)
            own_redis.kill()
            assert second.info("server")["run_id"]
            second.replicaof("NO", "ONE")
            name.target = replica.port
        stage.tell(topics.CANDIDATES, *(candidate(one, "m-2") for one in names))
        assert codes(stage, names, "m-2") == {"cap_reached": 20}
        assert sent(stage) == once({(one, "m-1") for one in names})
        assert "read again from the topics" in worker.words
        worker.wait_until_ready()
        verified(stage)


@pytest.mark.slow
def test_a_rebuild_by_hand_beside_a_worker_that_goes_on_by_itself(
    own_redis: RedisServer,
    make_stage: MakeStage,
) -> None:
    stage = make_stage(redis=own_redis.url)
    worker = stage.worker().wait_until_ready()
    names = list(people("byhand", 20))
    stage.tell(topics.CONSENTS, *map(consent, names))
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1") for one in names[:10]))
    stage.wait_for(lambda: len(stage.released()) == 10)
    with client(own_redis) as redis:
        # Somebody has deleted a person.
        [key] = redis.keys(f"*p:{{{stage.decisions()[0]['person']}}}")
        redis.delete(key)
    code, out, err = command(stage, "ledger", "verify")
    assert code == 1
    assert "1 releases by the topics, 0 in the ledger" in err
    assert stage.decisions()[0]["person"] in err
    assert "20 people compared" in out
    code, out, err = command(stage, "ledger", "rebuild")
    assert (code, err) == (0, "")
    assert "the ledger is whole again: 40 records read" in out
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-2") for one in names))
    assert codes(stage, names, "m-2") == {"cap_reached": 10, None: 10}
    assert "all of it is read again" not in worker.words
    worker.wait_until_ready()
    verified(stage)


@pytest.mark.parametrize("words", [("verify",), ("rebuild",)])
def test_what_is_away_ends_the_command_with_4_and_its_name(
    own_redis: RedisServer,
    make_stage: MakeStage,
    words: tuple[str],
) -> None:
    stage = make_stage(redis=own_redis.url)
    own_redis.kill()
    code, out, err = command(stage, "ledger", *words)
    assert (code, out) == (4, "")
    assert err.startswith("redis: ")
    own_redis.start()
    with client(own_redis) as redis:
        redis.set(f"{stage.prefix}g:control", b"left alone")
        for wrong, says in [
            ({"GOVERNOR_BROKERS": "127.0.0.1:9"}, "kafka at 127.0.0.1:9: cannot be reached"),
            ({"GOVERNOR_TOPIC_PREFIX": "no."}, "kafka: has no topic `no.governor.control`"),
        ]:
            code, out, err = command(stage, "ledger", *words, **wrong)
            assert (code, out) == (4, "")
            assert err.startswith(says)
        assert redis.get(f"{stage.prefix}g:control") == b"left alone"

"""A broker that restarts, is full, refuses what is large, or whose topics change under the gate."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from governor.config import topics
from tests.e2e.values import consent
from tests.faults.broker_faults import CrampedKafka, give_partitions, make_again
from tests.faults.crash import read_topics
from tests.faults.ground import Ground, ground, wait_until_held
from tests.faults.oracle.records import INPUTS
from tests.servers import KafkaServer, RedisServer, ServerUnavailableError


@pytest.fixture(scope="module")
def cramped() -> Iterator[CrampedKafka]:
    try:
        server = CrampedKafka().__enter__()
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    yield server
    server.close()


def test_a_broker_that_is_killed_while_traffic_flows_is_waited_for(
    cramped: CrampedKafka, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(cramped.bootstrap, redis_server, tmp_path, 21) as made:
        worker = made.begin()
        before, after = made.greet("before"), made.greet("after")
        made.write_to(before)
        made.busy(10)
        cramped.kill()
        made.stage.wait_for(lambda: worker.reasons().keys() & {"broker", "consents"})
        assert worker.ask("/health/live")[0] == 200
        cramped.start()
        made.write_to(after)
        made.busy(10)
        made.wait_until_reached([*before, *after])
        made.at_rest()
        assert len(made.reached(after)) == len(after)
        assert worker.process.poll() is None


@pytest.mark.slow
def test_a_broker_whose_disk_is_full_takes_nothing_and_nothing_is_lost(
    cramped: CrampedKafka, own_redis: RedisServer, tmp_path: Path
) -> None:
    with ground(cramped.bootstrap, own_redis, tmp_path, 22) as made:
        worker = made.begin()
        names = made.greet("disk")
        # What is to be published when the disk is full has to be there before.
        own_redis.pause()
        made.write_to(names)
        cramped.fill()
        own_redis.resume()
        words = wait_until_held(made.stage, worker, "broker", longer=2)
        assert "cannot be published" in words
        assert not made.reached(names)
        assert "No space left" in cramped.log.read_text(errors="replace")
        cramped.clear()
        cramped.start()
        made.wait_until_reached(names, 90)
        made.busy(10)
        made.at_rest()
        assert worker.process.poll() is None


def large(made: Ground, name: str) -> str:
    """Let an engine send a message of 300 kB to somebody, and return to whom."""
    [one] = made.greet(name, 1)
    made.write_to([one], payload={"text": "x" * 300_000})
    return one


def test_a_message_that_the_broker_refuses_as_too_large_holds_the_gate_until_it_is_taken(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 23) as made:
        worker = made.begin()
        names = made.greet("small")
        made.stage.configure(topics.RELEASED, max_message_bytes="100000")
        one = large(made, "large")
        words = wait_until_held(made.stage, worker, "broker", longer=3)
        assert "outreach.released" in words
        assert "max.message.bytes" in words
        made.write_to(names)
        made.stage.configure(topics.RELEASED, max_message_bytes="8388608")
        made.wait_until_reached([one, *names])
        report = made.at_rest()
        assert report.repeated_releases <= 2
        assert worker.process.poll() is None


def test_what_the_broker_would_refuse_as_too_large_from_the_start_is_a_dead_letter(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 24) as made:
        made.stage.configure(topics.RELEASED, max_message_bytes="100000")
        worker = made.begin()
        assert "max.message.bytes" in worker.words
        names = made.greet("small")
        one = large(made, "large")
        made.write_to(names)
        made.wait_until_reached(names)
        made.stage.wait_for(
            lambda: made.stage.letters(lambda out: out.header("dlq_reason") == b"oversized")
        )
        [letter] = made.stage.letters(lambda out: out.header("dlq_reason") == b"oversized")
        assert letter.key == one.encode()
        assert worker.metric("governor_dead_letters_total", reason="oversized") == 1
        assert worker.reasons() == {}


def inputs(made: Ground) -> list[str]:
    return [made.stage.prefix + name for name in INPUTS if name != topics.CONTROL]


@pytest.mark.parametrize(
    "seen", [pytest.param(True, marks=pytest.mark.slow), False], ids=["seen", "unseen"]
)
def test_topics_that_are_made_anew_are_read_from_their_beginning(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path, *, seen: bool
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 25) as made:
        worker = made.begin(traffic=False)
        early, late = made.greet("early", 20), made.greet("late", 8)
        made.write_to(early)
        made.wait_until_reached(early)
        made.stage.wait_for(lambda: not made.stage.uncommitted())
        made.bury(read_topics(kafka.bootstrap, made.stage.prefix))
        if not seen:
            worker.process.send_signal(signal.SIGSTOP)
        make_again(kafka.bootstrap, inputs(made), 2)
        worker.process.send_signal(signal.SIGCONT)
        made.stage.reconnect()
        made.write_to(late)
        made.wait_until_reached(late, 90)
        made.at_rest()
        assert len(made.reached(late)) == len(late)
        assert worker.process.poll() is None
        assert ("they are read anew" in worker.words) != seen


def test_partitions_that_are_added_are_read_and_nobody_is_written_to_against_their_word(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Most people move to another partition, and may be two workers' for a while."""
    with ground(kafka.bootstrap, redis_server, tmp_path, 26) as made:
        made.begin()
        made.stage.worker().wait_until_ready(90)
        names, others = made.greet("moved", 20), made.greet("gone", 20)
        made.write_to(names[:10])
        made.busy(20)
        give_partitions(kafka.bootstrap, inputs(made), 4)
        made.stage.reconnect()
        made.stage.tell(topics.CONSENTS, *(consent(one, "withdraw", 0) for one in others))
        made.write_to([*names[10:], *others])
        made.busy(20)
        made.wait_until_reached(names, 60)
        made.at_rest(applied_within=20_000)
        assert not made.reached(others)
        lags = [
            lag for one in made.stage.workers for lag in one.metrics()["governor_partition_lag"]
        ]
        assert {labels["partition"] for labels, _ in lags} == {"0", "1", "2", "3"}

"""Workers on a real broker: in order, nothing lost, let go only after it is applied."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import KafkaServer
from tests.stream.workers import Bench


@pytest.fixture
def bench(kafka: KafkaServer, tmp_path: Path) -> Iterator[Bench]:
    with Bench(kafka, tmp_path) as made:
        yield made


def values(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def test_everything_is_applied_once_in_the_order_of_its_partition(bench: Bench) -> None:
    bench.send("consents", values("consent", 1_000))
    bench.send("urgent", values("code", 500))
    bench.send("candidates", values("offer", 20_000))
    bench.flush()
    worker = bench.start()
    bench.wait_for_all()
    assert bench.end(worker) == 0
    assert set(bench.applied().values()) == {1}
    reached: dict[tuple[str, int], int] = {}
    for line in bench.lines():
        for topic, partition, offset, _ in line["records"]:
            assert offset > reached.get((topic, partition), -1)
            reached[topic, partition] = offset
    assert bench.uncommitted() == {}


def test_what_fails_is_not_acknowledged_and_ends_the_worker(bench: Bench) -> None:
    bench.send("candidates", values("offer", 3_000))
    bench.flush()
    worker = bench.start(poison="offer-1500", settings={"max_records": 100})
    assert worker.wait(60) != 0
    applied = bench.applied()
    assert "offer-1500" not in applied
    assert sum(end - committed for committed, end in bench.uncommitted().values()) >= (
        len(bench.sent) - sum(applied.values())
    )
    bench.start()
    bench.wait_for_all()
    assert set(bench.applied()) == set(bench.sent)


def test_workers_that_join_and_leave_lose_nothing(bench: Bench) -> None:
    first = bench.start(delay=0.02, settings={"max_records": 50})
    bench.wait_for(lambda: "Worker ready" in bench.log(0))
    sent = 0

    def load_until_it_works(number: int) -> None:
        nonlocal sent
        patience = time.monotonic() + 60
        while not bench.applied(number) and time.monotonic() < patience:
            bench.send("candidates", values(f"offer-{sent}", 60))
            bench.send("consents", values(f"consent-{sent}", 6))
            sent += 1
            time.sleep(0.05)

    load_until_it_works(0)
    second = bench.start(delay=0.02, settings={"max_records": 50})
    load_until_it_works(1)
    assert bench.end(first) == 0
    third = bench.start(delay=0.02, settings={"max_records": 50}, publishing=0.03)
    load_until_it_works(2)
    bench.flush()
    bench.wait_for_all()
    assert bench.end(second) == 0
    assert bench.end(third) == 0
    counted = bench.applied()
    repeats = sum(counted.values()) - len(counted)
    assert set(counted) == set(bench.sent)
    assert repeats < 0.15 * len(bench.sent)
    assert bench.applied(1), "the second worker got nothing"
    assert bench.applied(2), "the third worker got nothing"
    assert bench.uncommitted() == {}


def test_a_killed_worker_gets_its_partitions_back_at_once_under_its_name(bench: Bench) -> None:
    named = {"instance": "worker-0", "session_timeout": 90.0}
    killed = bench.start(settings=named)
    bench.send("candidates", values("before", 2_000))
    bench.flush()
    bench.wait_for_all()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    bench.send("candidates", values("after", 2_000))
    bench.flush()
    bench.start(settings=named)
    began = time.monotonic()
    bench.wait_for_all()
    assert time.monotonic() - began < 60
    assert sum(bench.applied().values()) < 1.6 * len(bench.sent)


def test_a_worker_that_is_told_to_stop_finishes_and_commits_what_it_began(bench: Bench) -> None:
    worker = bench.start(delay=1.5, settings={"max_records": 100})
    bench.send("candidates", values("offer", 1_000))
    bench.flush()
    bench.wait_for(lambda: bool(bench.lines()))
    before = sum(bench.applied().values())
    assert bench.end(worker) == 0
    applied = bench.applied()
    assert sum(applied.values()) > before
    left = sum(end - committed for committed, end in bench.uncommitted().values())
    assert left == len(bench.sent) - sum(applied.values())


def test_restrictive_inputs_are_applied_before_candidates(bench: Bench) -> None:
    bench.send("candidates", values("offer", 5_000))
    bench.send("urgent", values("code", 2_000))
    bench.send("consents", values("consent", 20_000))
    bench.flush()
    bench.start(settings={"max_records": 500}, delay=0.005)
    bench.wait_for_all()
    lines = bench.lines()
    ended = {
        channel: max(line["ended"] for line in lines if line["channel"] == channel)
        for channel in ("first", "urgent")
    }
    began = {
        channel: min(line["began"] for line in lines if line["channel"] == channel)
        for channel in ("urgent", "candidates")
    }
    assert ended["first"] <= began["urgent"]
    assert ended["urgent"] <= began["candidates"]


def test_candidates_wait_while_a_consent_is_not_applied(bench: Bench) -> None:
    bench.start(hold="first")
    bench.wait_for(lambda: "Worker ready" in bench.log(0))
    bench.send("consents", ["refusal"])
    bench.flush()
    bench.wait_for(lambda: sum(bench.progress()["lags"].values()) == 1)
    since = bench.progress()["caught_up"]
    bench.send("candidates", values("offer", 10))
    bench.flush()
    bench.wait_for(lambda: sum(bench.progress()["lags"].values()) == 11)
    time.sleep(1.5)
    assert not bench.applied()
    state = bench.progress()
    stale = [name for name, age in state["caught_up"].items() if age is None or age > 1.5]
    assert len(stale) == 1
    assert len(since) == 4


def test_a_worker_that_applies_nothing_although_it_could_ends_itself(bench: Bench) -> None:
    bench.send("candidates", values("offer", 10))
    bench.flush()
    worker = bench.start(hold="candidates", settings={"idle_within": 2.0, "lag_within": 1.0})
    assert worker.wait(25) != 0
    assert "no progress although" in bench.log(0)


def test_a_worker_that_crashes_and_does_not_end_says_what_crashed_it(bench: Bench) -> None:
    bench.send("candidates", ["poison"])
    bench.flush()
    worker = bench.start(poison="poison", linger=True, settings={"stop_within": 1.0})
    assert worker.wait(25) == 1
    last = bench.log(0).splitlines()[-1]
    assert "did not stop within 1 s after ValueError('poison poison')" in last


def test_a_worker_whose_fetch_takes_long_and_gets_on_goes_on(bench: Bench) -> None:
    bench.send("candidates", values("offer", 10), partition=0)
    bench.flush()
    worker = bench.start(steps=80, settings={"idle_within": 2.0, "lag_within": 1.0})
    bench.wait_for_all()
    assert bench.end(worker) == 0
    assert "no progress although" not in bench.log(0)


def test_a_worker_that_is_given_no_partitions_in_time_ends_itself(bench: Bench) -> None:
    worker = bench.start(settings={"first_assignment_within": 0.1})
    assert worker.wait(60) != 0
    assert "no partitions were assigned" in bench.log(0)


def test_the_record_clock_merges_partitions_by_time(bench: Bench) -> None:
    for number in range(3_000):
        topic = "consents" if number % 3 == 0 else "candidates"
        bench.send(topic, [f"{number:05}"], timestamp=1_700_000_000_000 + number * 10)
    bench.send("consents", ["tie-1-consent"], timestamp=1_700_000_100_000)
    bench.send("urgent", ["tie-2-urgent"], timestamp=1_700_000_100_000)
    bench.send("candidates", ["tie-3-candidate"], timestamp=1_700_000_100_000)
    bench.flush()
    worker = bench.start(settings={"record_clock": True, "max_records": 64})
    bench.wait_for_all()
    assert bench.end(worker) == 0
    applied = [value for line in bench.lines() for _, _, _, value in line["records"]]
    assert applied == sorted(bench.sent)
    assert bench.uncommitted() == {}


def test_a_replay_hands_out_little_at_a_time(bench: Bench) -> None:
    for number in range(2_000):
        bench.send("candidates", [f"{number:05}"], timestamp=1_700_000_000_000 + number * 10)
    bench.flush()
    worker = bench.start(settings={"record_clock": True})
    bench.wait_for_all()
    assert bench.end(worker) == 0
    assert max(len(line["records"]) for line in bench.lines()) == 500


def test_a_log_of_which_retention_has_left_nothing_is_committed_as_read(bench: Bench) -> None:
    bench.send("consents", values("old", 40))
    bench.flush()
    bench.forget("consents")
    bench.send("candidates", values("offer", 10))
    bench.flush()
    worker = bench.start()
    bench.sent = values("offer", 10)
    bench.wait_for_all()
    bench.wait_for(lambda: not bench.uncommitted())
    assert bench.end(worker) == 0
    assert set(bench.applied()) == set(bench.sent)


def test_a_broker_that_restarts_costs_neither_records_nor_the_worker(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    with Bench(own_kafka, tmp_path) as bench:
        worker = bench.start(delay=0.05, settings={"max_records": 50})
        bench.send("candidates", values("before", 2_000))
        bench.flush()
        bench.wait_for(lambda: bool(bench.lines()))
        own_kafka.kill()
        own_kafka.start()
        bench.send("candidates", values("after", 1_000))
        bench.flush()
        bench.wait_for_all()
        assert worker.poll() is None
        assert bench.end(worker) == 0

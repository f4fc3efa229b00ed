"""Ready while it judges, live while it makes progress, held seconds counted; time is a value."""

from __future__ import annotations

import aiohttp
import pytest

from governor.health import Health
from governor.metrics import Metrics
from governor.probes import Probes


class Worker:
    """A health with a clock and a lag that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.lag = 0
        self.metrics = Metrics()
        self.health = Health(self.metrics, lambda: self.now, lambda: self.lag)

    def runs(self) -> Worker:
        self.health.policy_loaded("9f3c21d07b44")
        self.health.ledger_trusted(True)
        self.health.assigned(4)
        return self

    def causes(self) -> list[str]:
        return [reason["cause"] for reason in self.health.reasons()]

    def passes(self, seconds: float) -> Worker:
        """Let time go by, with the look at each second that a worker takes."""
        for _ in range(int(seconds)):
            self.now += 1
            self.health.settle()
        return self

    def held(self, cause: str) -> float | None:
        name = "governor_held_closed_seconds_total"
        return self.metrics.registry.get_sample_value(name, {"cause": cause})

    def gauge(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"governor_{name}")


def test_fail_closed_a_worker_that_has_heard_of_nothing_is_not_ready() -> None:
    worker = Worker()
    assert worker.causes() == ["policy", "ledger", "assignment"]
    assert worker.health.stuck() is None


@pytest.mark.parametrize("missing", ["policy", "ledger", "assignment"])
def test_each_thing_that_is_missing_keeps_it_from_being_ready(missing: str) -> None:
    worker = Worker()
    if missing != "policy":
        worker.health.policy_loaded("a")
    if missing != "ledger":
        worker.health.ledger_trusted(True)
    if missing != "assignment":
        worker.health.assigned(1)
    assert worker.causes() == [missing]


def test_a_worker_with_no_partition_to_own_is_ready() -> None:
    worker = Worker().runs()
    worker.health.assigned(0)
    assert worker.causes() == []
    worker.health.assigned(None)
    assert worker.causes() == ["assignment"]


def test_a_refused_policy_leaves_the_one_in_force_and_the_worker_ready() -> None:
    worker = Worker().runs()
    worker.health.policy_refused("0a1b2c3d4e5f", "policy.yaml:3: what is wrong")
    assert worker.causes() == []
    info = worker.metrics.registry.get_sample_value
    name = "governor_policy_info"
    assert info(name, {"revision": "9f3c21d07b44", "state": "active"}) == 1
    assert info(name, {"revision": "0a1b2c3d4e5f", "state": "refused"}) == 1
    worker.health.policy_loaded("new")
    assert info(name, {"revision": "0a1b2c3d4e5f", "state": "refused"}) is None


def test_a_policy_refused_at_the_start_is_the_reason() -> None:
    worker = Worker()
    worker.health.policy_refused("a", "policy.yaml:3: what is wrong")
    assert worker.health.reasons()[0] == {
        "cause": "policy",
        "detail": "policy.yaml:3: what is wrong",
    }


def test_while_held_it_is_not_ready_and_says_for_how_long() -> None:
    worker = Worker().runs()
    worker.health.hold("ledger", "redis does not answer")
    worker.passes(7)
    assert worker.health.reasons() == [
        {"cause": "ledger", "detail": "redis does not answer, held for 7 s"}
    ]
    worker.health.release("ledger")
    assert worker.causes() == []


def test_held_seconds_are_counted_while_it_lasts_once_for_each_cause() -> None:
    worker = Worker().runs()
    worker.health.hold("ledger")
    worker.passes(5)
    assert worker.held("ledger") == 5
    worker.health.hold("ledger", "still")
    worker.health.hold("clock")
    worker.passes(3)
    worker.now += 0.5
    worker.health.release("ledger")
    worker.passes(10)
    assert worker.held("ledger") == pytest.approx(8.5)
    assert worker.held("clock") == pytest.approx(13.5)
    assert worker.held("policy") == 0


def test_a_hold_that_is_repeated_counts_from_its_beginning() -> None:
    worker = Worker().runs()
    worker.health.hold("ledger")
    worker.now += 2
    worker.health.hold("ledger", "still")
    worker.now += 2
    worker.health.release("ledger")
    assert worker.held("ledger") == 4


def test_a_release_without_a_hold_changes_nothing() -> None:
    worker = Worker().runs()
    worker.health.release("clock")
    assert worker.held("clock") == 0


def test_a_worker_with_nothing_to_do_is_live_for_ever() -> None:
    worker = Worker().runs().passes(3_600)
    assert worker.health.stuck() is None


def test_thirty_seconds_behind_without_progress_is_stuck() -> None:
    worker = Worker().runs().passes(600)
    worker.lag = 12
    worker.passes(31)
    assert worker.health.stuck() is None
    worker.passes(1)
    stuck = worker.health.stuck()
    assert stuck is not None
    assert stuck["cause"] == "progress"
    assert "12 records behind" in stuck["detail"]
    assert worker.gauge("live") == 0


def test_progress_keeps_it_live_however_far_it_is_behind() -> None:
    worker = Worker().runs()
    worker.lag = 1_000_000
    for _ in range(100):
        worker.passes(20)
        worker.health.progress()
    assert worker.health.stuck() is None


def test_a_held_worker_is_live_and_has_its_time_again_after_the_hold() -> None:
    worker = Worker().runs()
    worker.lag = 5
    worker.health.hold("ledger")
    worker.passes(300)
    assert worker.health.stuck() is None
    worker.health.release("ledger")
    worker.passes(30)
    assert worker.health.stuck() is None
    worker.passes(5)
    assert worker.health.stuck() is not None


def test_without_partitions_a_lag_is_somebody_elses() -> None:
    worker = Worker().runs()
    worker.health.assigned(None)
    worker.lag = 5
    worker.passes(300)
    assert worker.health.stuck() is None


def test_being_told_of_the_same_partitions_again_is_no_progress() -> None:
    worker = Worker().runs()
    worker.lag = 5
    for _ in range(40):
        worker.passes(1).health.assigned(4)
    assert worker.health.stuck() is not None
    worker.health.assigned(3)
    assert worker.health.stuck() is None


def test_the_gauges_follow() -> None:
    worker = Worker()
    worker.health.settle()
    assert (worker.gauge("ready"), worker.gauge("live"), worker.gauge("trusted")) == (0, 1, 0)
    worker.runs().health.settle()
    assert (worker.gauge("ready"), worker.gauge("live"), worker.gauge("trusted")) == (1, 1, 1)


async def test_the_pages_answer_with_their_status_and_why() -> None:
    worker = Worker()
    async with (
        Probes(worker.metrics, worker.health, "127.0.0.1", 0) as probes,
        aiohttp.ClientSession(f"http://127.0.0.1:{probes.port}") as client,
    ):
        async with client.get("/health/ready") as answer:
            assert answer.status == 503
            body = await answer.json()
        assert body["ready"] is False
        assert body["reasons"][0] == {"cause": "policy", "detail": "no policy is loaded yet"}
        worker.runs()
        async with client.get("/health/ready") as answer:
            body = await answer.json()
            assert (answer.status, body["ready"], body["reasons"]) == (200, True, [])
            assert body["policy"]["refused"] is None
        worker.health.policy_refused("unreadable", "policy.yaml:3: caps: wrong")
        async with client.get("/health/ready") as answer:
            assert (await answer.json())["policy"]["refused"] == "policy.yaml:3: caps: wrong"
        async with client.get("/health/live") as answer:
            assert (answer.status, await answer.json()) == (200, {"live": True, "reasons": []})
        worker.lag = 1
        worker.passes(40)
        async with client.get("/health/live") as answer:
            assert answer.status == 503
        worker.health.hold("clock")
        worker.now += 4
        async with client.get("/metrics") as answer:
            assert answer.content_type == "text/plain"
            assert 'governor_held_closed_seconds_total{cause="clock"} 4.0' in await answer.text()


async def test_a_taken_address_is_an_error_and_a_stopped_server_gives_it_back() -> None:
    worker = Worker()
    async with Probes(worker.metrics, worker.health, "127.0.0.1", 0) as probes:
        port = probes.port
        with pytest.raises(OSError, match="in use"):
            await Probes(worker.metrics, worker.health, "127.0.0.1", port).start()
    async with Probes(worker.metrics, worker.health, "127.0.0.1", port) as again:
        assert again.port == port

"""On real Kafka and Redis workers die, freeze and end wherever it hurts, and no promise breaks.

`python -m tests.faults.crash --seed SEED` plays the traffic and the plans of a run again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.crash import Outcome, crash
from tests.servers import KafkaServer, RedisServer

MOST_REPEATS = 100
"""How many releases one disturbance may publish again; a batch and what is uncommitted."""

PRESSING = {"too_intrusive", "pressure_budget", "false_urgency", "vulnerable"}


def seeded(number: int) -> int:
    return int(os.environ.get("CRASH_SEED") or number)


def check(outcome: Outcome) -> None:
    print(outcome)
    assert not outcome.report.defects, str(outcome)
    assert outcome.report.outcomes["release"] > 20
    # Timing decides what a short run meets; each of them is rare for its own reason.
    assert len(PRESSING & outcome.report.codes.keys()) >= 2
    # Were there more, it would not be what a crash leaves behind.
    refused = outcome.report.codes.get("household_cap", 0)
    assert len(outcome.report.excused) <= 3 + refused / 10, str(outcome)
    assert outcome.report.repeated_releases <= MOST_REPEATS * outcome.disturbances.total()
    # With the sender's helper the effect is exactly once.
    assert outcome.sent_once == outcome.report.releases
    assert outcome.dropped == outcome.report.repeated_releases


@pytest.mark.timeout(400)
def test_a_few_crashes_break_no_promise(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    outcome = crash(kafka.bootstrap, redis_server.url, tmp_path, seeded(1), seconds=25, crashes=3)
    check(outcome)
    assert outcome.disturbances.total() >= 3


@pytest.mark.timeout(400)
def test_three_workers_and_shared_households_end_exact(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    outcome = crash(
        kafka.bootstrap,
        redis_server.url,
        tmp_path,
        seeded(3),
        seconds=15,
        crashes=3,
        workers=3,
        homes=True,
    )
    check(outcome)
    assert outcome.report.codes["household_cap"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("homes", [False, True])
def test_minutes_of_crashes_break_no_promise(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path, *, homes: bool
) -> None:
    outcome = crash(
        kafka.bootstrap,
        redis_server.url,
        tmp_path,
        seeded(2),
        seconds=240,
        workers=3,
        homes=homes,
    )
    check(outcome)
    assert outcome.report.codes.keys() >= PRESSING
    assert outcome.disturbances.total() >= 20

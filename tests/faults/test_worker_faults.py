"""A clock that jumps, a storm of policy files, work that freezes: the worker knows, and says so."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import yaml

from governor.config.policy_file import load_policy
from tests.e2e.values import moment
from tests.e2e.worker import Worker
from tests.faults.ground import Ground, ground, held, wait_until_held
from tests.servers import KafkaServer, RedisServer

ODD = [sys.executable, "-m", "tests.faults.odd_worker"]
HOUR = 3_600_000


def begin(made: Ground, folder: Path, patience: float = 4.0) -> Worker:
    """Start an odd worker, to which nothing odd happens yet."""
    for name in ("clock", "ledger-clock"):
        (folder / name).write_text("0")
    return made.begin(ODD, ODD=str(folder), PATIENCE=str(patience))


def move(folder: Path, clock: str, by: int) -> None:
    part = folder / f"{clock}.part"
    part.write_text(str(by))
    part.rename(folder / clock)


def test_fail_closed_while_the_clock_is_an_hour_off_nothing_is_released(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 31) as made:
        worker = begin(made, tmp_path)
        later = made.greet("later")
        made.write_to(later, not_before=moment(1_200))
        made.stage.wait_for(lambda: not made.stage.uncommitted())
        for by in (HOUR, -HOUR):
            names = made.greet(f"jump{by}")
            move(tmp_path, "clock", by)
            made.write_to(names)
            made.busy(10)
            # Longer than what a clock would be doubted that the ledger's agrees with.
            words = wait_until_held(made.stage, worker, "clock", longer=6)
            assert f"wall time moved {by / 1_000:+.1f} s" in words
            assert not made.reached(names)
            move(tmp_path, "clock", 0)
            made.wait_until_reached(names)
        made.at_rest()
        assert not made.reached(later)

        # The machine was asleep for an hour: the other clock agrees, after a while it is believed.
        before = held(worker, "clock")
        for clock in ("ledger-clock", "clock"):
            move(tmp_path, clock, HOUR)
        wait_until_held(made.stage, worker, "clock", longer=3)
        made.wait_until_reached(later)
        assert held(worker, "clock") - before > 3.5
        worker.wait_until_ready()
        assert "believed" in worker.words


def test_a_storm_of_policies_good_and_bad_stops_nothing_and_the_last_good_one_rules(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 32) as made:
        worker = begin(made, tmp_path, patience=30)
        revisions, good = {load_policy(made.stage.policy).revision}, []
        for number in range(8):
            cap = {"id": f"mail-{number}", "match": {"channel": "mail"}, "limit": 9, "window": "7d"}
            good.append(yaml.safe_dump({**made.rules, "caps": [*made.rules["caps"], cap]}))
            (tmp_path / "aside.yaml").write_text(good[-1])
            revisions.add(load_policy(tmp_path / "aside.yaml").revision)
        bad = ["", "\x00", "version: 1", "][", good[0][:300], good[1] + "\nno-such-section: {}\n"]
        names = made.greet("storm", 30)
        for number, (fine, broken) in enumerate(zip(good * 20, itertools.cycle(bad), strict=False)):
            made.stage.rule_by(broken)
            if number % 5 == 0:
                made.write_to([names[number // 5 % 30]]) if number < 150 else made.busy(4)
            if number % 3 == 0:
                # Not put in place at once, as editors do.
                made.stage.policy.write_text(fine[:400])
                made.stage.policy.unlink()
            made.stage.rule_by(fine)
        made.stage.rule_by(bad[-1])
        # By its own defect: one of the storm may have been refused and settled again meanwhile.
        made.stage.wait_for(lambda: "no-such-section" in (rule(worker)["refused"] or ""))
        assert worker.metric("governor_policy_info", state="refused") == 1
        assert worker.reasons() == {}
        made.stage.rule_by(good[3])
        (tmp_path / "aside.yaml").write_text(good[3])
        last = load_policy(tmp_path / "aside.yaml").revision
        made.stage.wait_for(lambda: rule(worker) == {"revision": last, "refused": None})
        assert worker.metric("governor_policy_info", state="refused") == 0
        made.wait_until_reached(names)
        made.at_rest()
        assert {one["policy"] for one in made.stage.decisions()} <= revisions
        assert worker.process.poll() is None


def rule(worker: Worker) -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(worker.ask("/health/ready")[1])["policy"]
    return found


def test_a_worker_that_is_frozen_at_its_work_says_so_and_ends_itself(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 33) as made:
        worker = begin(made, tmp_path, patience=3)
        names = made.greet("frozen")
        (tmp_path / "freeze").touch()
        made.write_to(names)
        made.stage.wait_for(lambda: worker.ask("/health/live")[0] == 503)
        [reason] = json.loads(worker.ask("/health/live")[1])["reasons"]
        assert reason["cause"] == "progress"
        assert "records behind and none applied" in reason["detail"]
        assert worker.metric("governor_live") == 0
        assert worker.wait(40) == 1
        assert "no progress although" in worker.words
        assert not made.reached(names)
        (tmp_path / "freeze").unlink()
        made.begin(traffic=False)
        made.wait_until_reached(names)
        made.at_rest()


def test_a_worker_that_stops_in_order_ends_with_0_though_the_client_is_closed_under_a_duty(
    kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with ground(kafka.bootstrap, redis_server, tmp_path, 34) as made:
        (tmp_path / "stumble").write_text("")
        worker = begin(made, tmp_path, patience=30.0)
        assert worker.stop() == 0
        assert "the client is gone" in worker.words

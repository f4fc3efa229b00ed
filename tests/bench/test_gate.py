"""The gate against getting slower, and the sides being asked the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import gate
from bench.ledger import densest
from bench.machine import Machine
from bench.proof import Broken, agreement
from bench.results import Population, Result, compare
from bench.sides.rules import CAPS, CEILING, HALF_LIFE
from bench.stage import GOVERNOR, POLICY, RULES, Run
from bench.step import CAPS as LIMITS
from governor.config.policy_file import load_policy


def result(ours: list[float], theirs: list[float], *, cpu: float = 100.0) -> Result:
    population = Population(20_000)
    population.runs = {
        GOVERNOR: [Run(1000, rate, cpu, 1.0, 1.0, 0.5) for rate in ours],
        RULES: [Run(1000, rate, 400.0, 1.0, 1.0, 0.5) for rate in theirs],
    }
    compare(population)
    machine = Machine("now", "some", 2, 8.0, "system", "3", "4", "7", {}, 0.5)
    return Result("short", machine, "digest", len(ours), [population])


def test_a_ratio_is_that_of_the_same_round_and_its_median_counts() -> None:
    found = result([800.0, 400.0, 900.0], [100.0, 100.0, 300.0]).populations[0].ratios[RULES]
    assert (found.median, found.least, found.most, found.per_cpu) == (4.0, 3.0, 8.0, 4.0)


def test_what_costs_half_as_much_again_falls_below_the_record(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    gate.record(result([800.0], [100.0]), path)
    assert all(verdict.holds for verdict in gate.hold(result([600.0], [100.0], cpu=140.0), path))
    fallen = [one for one in gate.hold(result([600.0], [100.0], cpu=150.0), path) if not one.holds]
    assert [(one.name, one.kind) for one in fallen] == [(RULES, "per processor second")]
    assert str(fallen[0]).startswith(f"FELL: governor / {RULES}, per processor second: 2.67")


def test_a_stall_that_costs_no_processor_time_falls_below_the_record(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    gate.record(result([800.0], [100.0]), path)
    fallen = [one for one in gate.hold(result([270.0], [100.0]), path) if not one.holds]
    assert [one.kind for one in fallen] == ["throughput"]


def test_of_two_runs_the_better_ratio_counts(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    gate.record(result([800.0], [100.0]), path)
    slow, fine = (gate.hold(result([800.0], [100.0], cpu=cpu), path) for cpu in (200.0, 110.0))
    assert not all(verdict.holds for verdict in slow)
    assert all(verdict.holds for verdict in gate.better(slow, fine))


def test_a_ratio_on_record_that_is_not_measured_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    gate.record(result([800.0], [100.0]), path)
    bare = result([800.0], [100.0])
    bare.populations[0].ratios.clear()
    with pytest.raises(ValueError, match="not measured any more"):
        gate.hold(bare, path)


def test_the_record_in_the_repository_can_be_read() -> None:
    assert {RULES} <= gate.recorded(gate.BASELINE).keys()


def test_the_densest_window_is_found() -> None:
    assert densest([], 2.0) == 0
    assert densest([0.0, 1.0, 1.9, 2.0, 3.0], 2.0) == 3
    assert densest([0.0, 1.9, 2.1, 2.2], 2.0) == 3


def test_outcomes_that_differ_much_stop_the_benchmark() -> None:
    same = {str(number): "release" for number in range(200)}
    assert agreement(same, {**same, "0": "suppress", "other": "defer"}) == 0.995
    with pytest.raises(Broken, match="rules are not the same"):
        agreement(same, dict.fromkeys(same, "suppress"))


def test_every_side_is_held_to_the_caps_of_the_policy() -> None:
    policy = load_policy(POLICY)
    caps = {cap.id: cap.limit for cap in policy.caps}
    assert caps == CAPS
    assert caps == {item.namespace: item.amount for item, _ in LIMITS}
    assert policy.intrusiveness is not None
    assert (policy.intrusiveness.ceiling, policy.intrusiveness.half_life) == (CEILING, HALF_LIFE)

"""Runs in virtual time keep every promise, whatever is killed, frozen, slow or away, and where.

A run that fails names its seed: `python -m tests.faults.simulation --first SEED` plays it again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from governor.core.policy import Policy
from tests.faults.simulation.play import load, play

EXCUSED = 2
"""How many decisions of some runs may rest on a release that was taken back."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, 160, 20))
def test_no_interleaving_and_no_crash_breaks_a_promise(policy: Policy, first: int) -> None:
    runs = [play(seed, policy) for seed in range(first, first + 20)]
    found = {run.seed: run.defects[:3] for run in runs if run.defects}
    assert not found, f"python -m tests.faults.simulation --first {next(iter(found))}"
    assert sum(len(run.report.excused) for run in runs) <= EXCUSED
    assert sum(run.report.outcomes.get("release", 0) for run in runs) > 20


@pytest.mark.parametrize("first", range(1000, 1080, 20))
def test_nor_where_messages_gather_and_losers_are_dropped(first: int) -> None:
    section = {"window": "2s", "losers": "suppress"}
    policy = load(arbitration=section)
    runs = [play(seed, policy, arbitration=section) for seed in range(first, first + 20)]
    assert not {run.seed: run.defects[:3] for run in runs if run.defects}
    assert sum(run.report.outcomes.get("release", 0) for run in runs) > 20


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_no_interleaving_gives_a_household_more_than_its_caps(first: int) -> None:
    policy = load(homes=True)
    runs = [play(seed, policy) for seed in range(first, first + 20)]
    found = {run.seed: run.defects[:3] for run in runs if run.defects}
    assert not found, f"python -m tests.faults.simulation --homes --first {next(iter(found))}"
    assert sum(len(run.report.excused) for run in runs) <= EXCUSED
    assert any(name.endswith((" reserve", " households")) for run in runs for name in run.faults)


def test_the_same_seed_gives_the_same_run(policy: Policy) -> None:
    once, again = play(11, policy), play(11, policy)
    assert (once.report, once.faults, once.steps) == (again.report, again.faults, again.steps)


def test_the_runs_meet_every_kind_of_fault_at_every_step(policy: Policy) -> None:
    met: Counter[str] = Counter()
    for seed in range(500, 560):
        met.update(play(seed, policy).faults)
    kinds = {name.split()[0] for name in met}
    assert kinds == {"kill", "freeze", "slow", "away", "partial"}
    steps = {name.partition(" ")[2] for name in met}
    assert steps >= {
        *("before load", "after load", "before commit", "after commit", "after claim"),
        *("before publish", "within publish", "after publish"),
        *("before acknowledge", "after acknowledge", "before offsets", "after offsets"),
    }

"""The load is fair to every side, and the proof of a round can fail."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import load
from bench.proof import FINDINGS, Broken, _all_of_the_policy_was_on, _no_cap_is_broken
from bench.stage import POLICY, Side
from governor.config.policy_file import load_policy
from governor.core.standing import Standing

SIDE = cast("Side", SimpleNamespace(name="some side"))
RULED = load_policy(POLICY)


def released(person: str, number: int) -> dict[str, Any]:
    return {"person": person, "topic": f"t{number % 4}", "campaign": f"c{number % 7}"}


def test_a_side_with_more_blocks_meets_nobody_more_often() -> None:
    short = load.blocks(1_000, 500, 500, "g")
    long = load.blocks(1_000, 1_500, 500, "g")
    assert long[:500] == short
    assert not set(long[:500]) & set(long[500:])
    most = [max(Counter(long[start : start + 500]).values()) for start in (0, 500, 1_000)]
    assert max(most) < 2 * min(most)
    assert min(most) > 500 / 20, "nobody gets many"


def test_everybody_begins_with_the_same_log_of_the_length_that_is_asked_for() -> None:
    now = 1_800_000_000_000
    known: Standing = load.standing(now, load.sends_before(now, 3))
    assert [entry.seq for entry in known.log] == [2, 3, 4]
    assert known.version == 4
    assert [entry.at for entry in known.log] == sorted(entry.at for entry in known.log)


def test_twenty_releases_within_the_hour_are_proved_and_one_more_is_not() -> None:
    gone = [released("p", number) for number in range(20)] + [released("q", 0)]
    _no_cap_is_broken(SIDE, RULED, gone)
    with pytest.raises(Broken, match="21 releases under the cap per-hour of 20"):
        _no_cap_is_broken(SIDE, RULED, [*gone, released("p", 20)])


def test_a_decision_without_one_of_the_findings_stops_the_benchmark() -> None:
    findings = [{"rule": rule, "id": id} for rule, id in FINDINGS]
    whole = {"message": "m", "policy": RULED.revision, "findings": findings}
    _all_of_the_policy_was_on(RULED, [whole])
    with pytest.raises(Broken, match="m did not meet every rule"):
        _all_of_the_policy_was_on(RULED, [{**whole, "findings": findings[1:]}])
    with pytest.raises(Broken, match="m did not meet every rule"):
        _all_of_the_policy_was_on(RULED, [{**whole, "policy": "another"}])

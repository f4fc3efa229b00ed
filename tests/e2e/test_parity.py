"""What simulate says a policy would do is what the worker does, verdict by verdict."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from governor.core.instant import format_instant, parse_instant
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import ROOT, Json
from tests.e2e.parity import command, compare, in_kafkas_order
from tests.reference.histories import Maker

HOUR = 3_600_000
EMAIL_LOG = ROOT / "config" / "email-log"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """Give the events of a recorded e-mail log, or skip where it is not."""
    folder = Path(os.environ.get("GOVERNOR_SHARED") or ROOT.parent / "shared")
    log = folder / "data" / "email_log.csv.gz"
    if not log.exists():
        pytest.skip(f"the real log is not here: no `{log.name}` (GOVERNOR_SHARED names the folder)")
    out = tmp_path_factory.mktemp("log") / "events.jsonl"
    command("convert", "--log", log, "--map", EMAIL_LOG / "map.yaml", "--out", out)
    return [json.loads(line) for line in out.read_text().splitlines()]


def email_policy() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((EMAIL_LOG / "policy.yaml").read_text())
    return loaded


def test_a_slice_of_a_recorded_log_ends_in_kafka_as_in_simulate(
    make_stage: MakeStage, recorded: list[Json]
) -> None:
    people = sorted({event["data"]["person"] for event in recorded})
    chosen = set(random.Random(7).sample(people, 300))
    events = [event for event in recorded if event["data"]["person"] in chosen]
    stage = make_stage(email_policy(), partitions=3)
    lines = compare(stage, in_kafkas_order(events), events[-1]["at"])
    outcomes = {line["outcome"] for line in lines}
    assert outcomes == {"release", "suppress", "defer"}
    assert len(stage.released()) == sum(line["outcome"] == "release" for line in lines)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_recorded_log_ends_in_kafka_as_in_simulate(
    make_stage: MakeStage, recorded: list[Json]
) -> None:
    stage = make_stage(email_policy(), partitions=4)
    lines = compare(stage, in_kafkas_order(recorded), recorded[-1]["at"], within=500)
    assert sum(line["final"] for line in lines) > 60_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_histories_of_many_people_end_in_kafka_as_in_simulate(
    make_stage: MakeStage, seed: int
) -> None:
    rules, events = crowd(seed, 25)
    last = parse_instant(events[-1]["at"])
    # One more event, a day on, lets the records' clock reach all that is due before.
    bell = {"person": "bell", "at": format_instant(last + 24 * HOUR)}
    events.append({"at": bell["at"], "type": "profile", "data": bell})
    stage = make_stage(rules, partitions=3)
    lines = compare(stage, events, format_instant(last + 24 * HOUR - 1))
    assert len(lines) > 100


def crowd(seed: int, count: int) -> tuple[dict[str, Any], list[Json]]:
    """A random policy, and the histories of many people under it at the same time."""
    first = Maker(seed, wide=False)
    rules, start = first.policy(), first.now
    events = []
    for number in range(count):
        maker = Maker(1000 * seed + number, wide=False)
        maker.now, maker.step = start, first.step
        maker.people = [f"{number}-{name}" for name in maker.people]
        events += [event for event in maker.events(rules) if keeps(event, number)]
    return rules, in_kafkas_order(events)


def keeps(event: Json, number: int) -> bool:
    """Whether an event stays: controls are everybody's, so few are enough."""
    return event["type"] != "control" or number < 3

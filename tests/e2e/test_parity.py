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
from tests.e2e.collector import Json
from tests.e2e.conftest import MakeStage
from tests.e2e.parity import command, compare, in_kafkas_order
from tests.e2e.values import candidate, consent, control, policy
from tests.e2e.worker import ROOT
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


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
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


def test_what_is_due_at_the_moment_of_a_control_goes_before_what_is_fresh(
    make_stage: MakeStage,
) -> None:
    rules = policy(caps=[{"id": "hourly", "limit": 1, "window": "1h", "at_cap": "defer"}])
    at = [f"2026-05-05T{clock}:00Z" for clock in ("09:00", "10:00", "10:30", "11:00", "12:30")]
    grant = consent("p-1") | {"at": at[0]}
    stop = control("pause", campaign="another") | {"at": at[3]}
    bell = {"person": "bell", "at": at[4]}
    events = [
        {"at": at[0], "type": "consent", "data": grant},
        *(
            {"at": at[n], "type": "candidate", "data": candidate("p-1", f"m-{n}", created_at=at[n])}
            for n in (1, 2)
        ),
        {"at": at[3], "type": "control", "data": stop},
        {
            "at": at[3],
            "type": "candidate",
            "data": candidate("p-1", "m-3", created_at=at[3], priority=90),
        },
        {"at": at[4], "type": "profile", "data": bell},
    ]
    lines = compare(make_stage(rules), events, at[4])
    released = {line["message"]: line["decided_at"][11:16] for line in lines if line["final"]}
    assert released == {"m-1": "10:00", "m-2": "11:00", "m-3": "12:00"}


def test_what_waits_of_one_of_a_household_goes_before_what_another_is_sent_later(
    make_stage: MakeStage,
) -> None:
    home = {"id": "home", "per": ["household"], "limit": 1, "window": "24h", "at_cap": "suppress"}
    at = [f"2026-05-05T{clock}:00Z" for clock in ("09:00", "10:00", "10:01", "10:10", "12:00")]
    grants = [consent(person) | {"at": at[0]} for person in ("p-1", "p-2")]
    asked = {
        1: candidate("p-1", "m", created_at=at[1], not_before=at[2], household="h"),
        3: candidate("p-2", "n", created_at=at[3], household="h"),
    }
    events = [
        *({"at": at[0], "type": "consent", "data": grant} for grant in grants),
        *({"at": at[n], "type": "candidate", "data": data} for n, data in asked.items()),
        {"at": at[4], "type": "profile", "data": {"person": "bell", "at": at[4]}},
    ]
    lines = compare(make_stage(policy(caps=[home])), events, at[4])
    finals = {line["message"]: (line["outcome"], line["decided_at"][11:16]) for line in lines}
    assert finals == {"m": ("release", "10:01"), "n": ("suppress", "10:10")}


def crowd(seed: int, count: int) -> tuple[dict[str, Any], list[Json]]:
    """A random policy, and the histories of many people under it at the same time."""
    first = Maker(seed, wide=False)
    rules, start = first.policy(), first.now
    # A worker forgets verdicts in the end; simulate keeps them for the whole run.
    rules["defaults"].setdefault("time_zone", "Europe/Berlin")
    rules["retention"] = {"verdicts": "60d", "history": "180d"}
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

"""The main job on a real log: what a policy would have done to the e-mails of four months."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from governor.config import load_policy
from governor.convert import Conversion, load_map
from governor.simulate import Event, Summary, simulate
from tests.email_log.oracle import Fate, fates, read

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "email-log"
SHARED = Path(os.environ.get("GOVERNOR_SHARED") or ROOT.parent / "shared")
LOG = SHARED / "data" / "email_log.csv.gz"

pytestmark = pytest.mark.skipif(
    not LOG.exists(), reason="absent: the e-mail log, see GOVERNOR_SHARED"
)


class Played:
    """What the simulation decided on the log, by message; of every so-manieth person."""

    def __init__(self, every: int) -> None:
        start = time.monotonic()
        self.every = every
        conversion = Conversion(LOG, load_map(CONFIG / "map.yaml"), CONFIG)
        events = (
            Event(event.at, event.type, event.data, line)
            for line, event in enumerate(conversion.events(), 1)
            if self.plays(event.data["person"])
        )
        written: list[bytes] = []
        policy = load_policy(CONFIG / "policy.yaml")
        self.summary: Summary = simulate(policy, events, written.append)
        self.seconds = time.monotonic() - start
        self.decisions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in written:
            decision = json.loads(line)
            self.decisions[decision["message"]].append(decision)

    def plays(self, person: str) -> bool:
        return int(person) % self.every == 0


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(10, id="every tenth person"),
        pytest.param(1, id="everybody", marks=pytest.mark.slow),
    ],
)
def played(request: pytest.FixtureRequest) -> Played:
    """Play the log once."""
    return Played(request.param)


@pytest.fixture(scope="module")
def expected(played: Played) -> dict[str, tuple[str, Fate]]:
    """Count from the rows what must become of every e-mail."""
    return {
        f"m-{number}": (person, fate)
        for person, sends in read(LOG).items()
        if played.plays(person)
        for number, fate in fates(sends).items()
    }


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def fate_of(decisions: list[dict[str, Any]]) -> tuple[str, Fate]:
    """Read what became of an e-mail off its decisions."""
    *before, last = decisions
    waited = None
    if before:
        (deferred,) = before
        assert (deferred["outcome"], deferred["code"]) == ("defer", "quiet_hours")
        waited = moment(deferred["eligible_at"])
    codes = {"release": None, "suppress": "cap_reached"}
    assert last["code"] == codes[last["outcome"]]
    assert last["final"]
    return last["person"], Fate(last["outcome"], moment(last["decided_at"]), waited)


def test_every_email_meets_the_fate_that_its_rows_give_it(
    played: Played, expected: dict[str, tuple[str, Fate]]
) -> None:
    actual = {message: fate_of(decisions) for message, decisions in played.decisions.items()}
    differing = {
        message: (actual.get(message), expected.get(message))
        for message in {*actual, *expected}
        if actual.get(message) != expected.get(message)
    }
    assert not differing, dict(list(differing.items())[:5])
    assert len(actual) == 60_920 or played.every > 1


def test_the_summary_counts_what_the_rows_count(
    played: Played, expected: dict[str, tuple[str, Fate]]
) -> None:
    outcomes = Counter(fate.outcome for _, fate in expected.values())
    waited = sum(fate.waited is not None for _, fate in expected.values())
    summary = played.summary
    assert (summary.candidates, summary.released) == (len(expected), outcomes["release"])
    assert summary.suppressed == outcomes["suppress"] == summary.codes["cap_reached"]
    assert summary.codes["quiet_hours"] == waited > 0
    assert (summary.waiting, summary.rejected, summary.repeats) == ([], {}, 0)


def test_never_above_a_cap_and_a_gap_of_exactly_a_week_is_enough(played: Played) -> None:
    released: dict[str, list[datetime]] = defaultdict(list)
    for decisions in played.decisions.values():
        if decisions[-1]["outcome"] == "release":
            released[decisions[-1]["person"]].append(moment(decisions[-1]["decided_at"]))
    gaps = [
        later - sooner
        for times in released.values()
        for sooner, later in zip(sorted(times), sorted(times)[1:], strict=False)
    ]
    assert min(gaps).days == 7
    assert sum(gap.total_seconds() == 7 * 86_400 for gap in gaps) > 40_000 / played.every
    hours = {at.hour for times in released.values() for at in times}
    assert hours <= set(range(8, 21))


def test_it_takes_less_than_a_minute(played: Played) -> None:
    assert played.seconds < 60

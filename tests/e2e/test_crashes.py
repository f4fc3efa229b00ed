"""A worker may be killed at any moment: nothing is lost, and nothing is said twice differently."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from governor.config import topics
from tests.e2e.collector import Json
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, consent, instant, moment

CRASHING = [sys.executable, str(Path(__file__).with_name("crashing.py"))]
ESSENCE = ("outcome", "variant", "channel", "code", "attempt", "seq", "decided_at", "entry")


def essence(decision: Json) -> list[object]:
    return [decision[name] for name in ESSENCE]


def sent_by(stage: Stage) -> dict[tuple[str, str], Json]:
    """What a sender that honours the idempotency key sends: the first of each person's message."""
    sent: dict[tuple[str, str], Json] = {}
    for out in stage.found(topics.RELEASED):
        released = out.json
        assert (out.header("idempotency_key") or b"").decode() == released["id"]
        first = sent.setdefault((released["person"], released["id"]), released)
        assert released == first
    return sent


def test_what_waits_survives_a_kill_and_is_released_in_time_each_exactly_once(
    stage: Stage,
) -> None:
    names = people("waits", 100)
    first = stage.worker().wait_until_ready()
    stage.tell(topics.CONSENTS, *map(consent, names))
    due = moment(14)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in names))
    stage.wait_for(lambda: len(stage.decisions()) >= 100)
    first.kill()
    stage.worker().wait_until_ready()
    possible = max(instant(due), time.time())
    stage.wait_for(lambda: len(sent_by(stage)) == 100)
    stage.wait_for(lambda: len(stage.decisions()) >= 200)
    finals = [one for one in stage.decisions() if one["final"]]
    assert Counter(one["person"] for one in finals) == dict.fromkeys(
        {one["person"] for one in finals}, 1
    )
    assert {one["outcome"] for one in finals} == {"release"}
    assert min(instant(one["decided_at"]) for one in finals) >= instant(due)
    assert max(out.at for out in stage.found(topics.RELEASED)) / 1000 - possible <= 15


def test_a_withdrawal_that_the_killed_worker_never_read_counts_before_what_waits(
    stage: Stage,
) -> None:
    names = people("never-read", 20)
    first = stage.worker(session_timeout="12s").wait_until_ready()
    stage.tell(topics.CONSENTS, *map(consent, names))
    due = moment(7)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in names))
    stage.wait_for(lambda: len(stage.decisions()) >= 20)
    first.kill()
    stage.tell(topics.CONSENTS, *(consent(one, "withdraw", 0) for one in names))
    # It gets no partitions, and cannot know of the withdrawals, until the other's session ends.
    stage.worker()
    stage.wait_for(lambda: sum(one["final"] for one in stage.decisions()) >= 20)
    assert {one["code"] for one in stage.decisions() if one["final"]} == {"consent_withdrawn"}
    assert stage.released() == []


def test_a_killed_worker_takes_its_partitions_back_under_its_name(stage: Stage) -> None:
    named = {"instance": "worker-0", "session_timeout": "30s"}
    stage.worker(**named).wait_until_ready().kill()
    stage.worker(**named).wait_until_ready()
    [person] = people("back", 1)
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.CANDIDATES, candidate(person, "m-1"))
    # Far sooner than the session of the one that was killed ends.
    assert stage.final(person, "m-1")["outcome"] == "release"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_the_publishing_of_fresh_releases_is_repeated_the_same(
    stage: Stage, when: str
) -> None:
    names = people(f"crash-{when}", 30)
    stage.tell(topics.CONSENTS, *map(consent, names))
    variants = [{"id": "a", "channel": "call"}, {"id": "b", "channel": "email"}]
    one_each = [candidate(one, "m-1", variants=variants) for one in names]
    stage.tell(topics.CANDIDATES, *one_each)
    crashed = stage.worker([*CRASHING, when, "1"], instance="w")
    assert crashed.wait() == -signal.SIGKILL
    before = {one["person"]: one for one in stage.decisions()}
    stage.worker(instance="w").wait_until_ready()
    stage.wait_for(lambda: len(sent_by(stage)) == 30)
    stage.wait_for(lambda: not stage.uncommitted())
    by_person: dict[str, list[Json]] = {}
    for decision in stage.decisions():
        by_person.setdefault(decision["person"], []).append(decision)
    assert len(by_person) == 30
    repeats = [one for one in stage.decisions() if one.get("reconstructed")]
    assert repeats
    for lines in by_person.values():
        assert len({one["id"] for one in lines}) == 1
        assert all(essence(one) == essence(lines[0]) for one in lines)
        assert all(one["outcome"] == "release" for one in lines)
    if when == "before":
        assert before == {}
        assert {one["person"] for one in repeats} <= set(by_person)
    else:
        assert all("reconstructed" not in one for one in before.values())
        assert {one["person"] for one in repeats} >= set(before)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_the_publishing_of_what_waited_is_repeated_the_same(
    stage: Stage, when: str
) -> None:
    names = people(f"woken-{when}", 10)
    stage.tell(topics.CONSENTS, *map(consent, names))
    crashed = stage.worker([*CRASHING, when, "1"], instance="w").wait_until_ready()
    due = moment(3)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in names))
    assert crashed.wait() == -signal.SIGKILL
    stage.worker(instance="w").wait_until_ready()
    stage.wait_for(lambda: len(sent_by(stage)) == 10)
    stage.wait_for(lambda: all(_said_again(stage, one) for one in names))
    for one in names:
        finals = [line for line in stage.decisions(one) if line["final"]]
        assert len({line["id"] for line in finals}) == 1
        assert all(essence(line) == essence(finals[0]) for line in finals)
        assert (finals[0]["outcome"], finals[0]["attempt"]) == ("release", 2)
    # Its source is let go once the broker has all that came of it.
    stage.wait_for(lambda: _let_go(stage) == len(names))


def _said_again(stage: Stage, person: str) -> bool:
    finals = [one for one in stage.decisions(person) if one["final"]]
    return any(one.get("reconstructed") for one in finals)


def _let_go(stage: Stage) -> int:
    last = {out.key: out.value for out in stage.found(topics.WAITING)}
    return sum(value is None for value in last.values())

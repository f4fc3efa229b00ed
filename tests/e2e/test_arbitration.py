"""Rivals gather across workers and crashes, and as their window closes the best go first."""

from __future__ import annotations

import random
from collections import Counter

from governor.config import topics
from tests.e2e.collector import Json
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import NAMES, Stage, people
from tests.e2e.values import cancellation, candidate, consent, instant, policy

WINDOW = 12.0
PRIORITIES = [10, 40, 60, 90]


def windowed(make_stage: MakeStage) -> Stage:
    """Give a stage whose messages gather, with two slots of which one is reserved."""
    cap = {"id": "two", "match": {"category": "promotional"}, "limit": 2, "window": "24h"}
    cap["reserve"] = {"priority_at_least": 80, "slots": 1}
    section = {"window": f"{WINDOW:.0f}s", "losers": "suppress"}
    return make_stage(policy(caps=[cap], arbitration=section))


def gathered(stage: Stage) -> set[bytes | None]:
    """The keys of what is kept without a decision."""
    return {one.key for one in stage.found(topics.WAITING) if one.value is not None}


def rivals(names: list[str]) -> list[Json]:
    """Four messages to each person, in an order of their own."""
    dice = random.Random(7)
    found = []
    for name in names:
        own = [candidate(name, f"m-{priority}", priority=priority) for priority in PRIORITIES]
        found += dice.sample(own, len(own))
    return found


def test_rivals_are_judged_together_as_their_window_closes_though_a_worker_is_killed(
    make_stage: MakeStage,
) -> None:
    stage = windowed(make_stage)
    names = people("rivals", 40)
    workers = [stage.worker(), stage.worker()]
    for worker in workers:
        worker.wait_until_ready()
    stage.tell(topics.CONSENTS, *map(consent, names))
    stage.tell(topics.CANDIDATES, *rivals(names))
    stage.wait_for(lambda: len(gathered(stage)) == 4 * len(names))
    assert stage.decisions() == []
    workers[0].kill()
    stage.wait_for(lambda: len(stage.decisions()) >= 4 * len(names))
    for name in names:
        decided = stage.decisions(name)
        said = {one["message"]: (one["outcome"], one["code"], one["attempt"]) for one in decided}
        assert said == {
            "m-90": ("release", None, 1),
            # The second slot is kept from all but the highest.
            "m-60": ("suppress", "outranked", 1),
            "m-40": ("suppress", "outranked", 1),
            "m-10": ("suppress", "outranked", 1),
        }
        assert len({one["decided_at"] for one in decided}) == 1
    sent = Counter((one["person"], one["id"]) for one in stage.released())
    assert set(sent) == {(name, "m-90") for name in names}
    stage.wait_for(lambda: none_left(stage))


def none_left(stage: Stage) -> bool:
    """Tell whether everything that gathered has been taken off again."""
    last = {one.key: one.value for one in stage.found(topics.WAITING)}
    return all(value is None for value in last.values())


def test_a_message_that_gathers_may_be_taken_back_and_the_urgent_go_at_once(
    make_stage: MakeStage,
) -> None:
    stage = windowed(make_stage)
    stage.worker().wait_until_ready()
    [person] = people("gathers", 1)
    stage.tell(topics.CONSENTS, consent(person))
    first = candidate(person, "m-1", priority=90)
    stage.tell(topics.CANDIDATES, first)
    key = f"{NAMES.of(person)}|m-1".encode()
    stage.wait_for(lambda: key in gathered(stage))
    stage.tell(topics.CANDIDATES, first, candidate(person, "m-2"))
    stage.tell(topics.URGENT, candidate(person, "code", category="transactional"))
    assert stage.final(person, "code")["outcome"] == "release"
    stage.tell(topics.CANCELLATIONS, cancellation(person, message="m-1"))
    taken = stage.final(person, "m-1")
    assert (taken["outcome"], taken["code"], taken["attempt"]) == ("suppress", "cancelled", 1)
    assert stage.decisions(person, "m-2") == []
    judged = stage.final(person, "m-2")
    assert judged["outcome"] == "release"
    # It goes as the window closes that the first has opened.
    waited = instant(judged["decided_at"]) - instant(first["created_at"])
    assert WINDOW <= waited < WINDOW + 30
    assert len(stage.decisions(person)) == 3


def test_who_loses_a_slot_of_their_household_is_outranked_by_their_own_and_waits_for_others(
    make_stage: MakeStage,
) -> None:
    home = {"id": "home", "match": {"category": "promotional"}, "per": ["household"]}
    cap = home | {"limit": 1, "window": "24h", "at_cap": "defer"}
    section = {"window": "4s", "losers": "suppress"}
    stage = make_stage(policy(caps=[cap], arbitration=section))
    for worker in [stage.worker(), stage.worker()]:
        worker.wait_until_ready()
    ann, bob = people("home", 2)
    house = {"household": f"h-{ann}"}
    stage.tell(topics.CONSENTS, consent(ann), consent(bob))
    lesser = candidate(ann, "m-40", priority=40, **house)
    better = candidate(ann, "m-90", priority=90, **house)
    stage.tell(topics.CANDIDATES, lesser, better)
    went, lost = stage.final(ann, "m-90"), stage.final(ann, "m-40")
    # A window is one person's: his closes after hers, whatever his message is worth.
    stage.tell(topics.CANDIDATES, candidate(bob, "m-95", priority=95, **house))
    assert (went["outcome"], went["code"]) == ("release", None)
    assert (lost["outcome"], lost["code"]) == ("suppress", "outranked")
    assert went["decided_at"] == lost["decided_at"]
    other = stage.decision(bob, "m-95")
    assert (other["outcome"], other["code"], other["final"]) == ("defer", "household_cap", False)
    frees = instant(went["decided_at"]) + 24 * 3600
    assert frees <= instant(other["eligible_at"]) < frees + 1
    assert [one["id"] for one in stage.released()] == ["m-90"]

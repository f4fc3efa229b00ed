"""A reviewer's answer counts whenever it comes, and all other rules are asked again after it."""

from __future__ import annotations

from governor.config import topics
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import NAMES, Stage, people
from tests.e2e.values import answer, candidate, closed_zone, consent, instant, policy, profile


def reviewed(gate: Stage, person: str, **more: object) -> None:
    """Bring a message of *person* into review."""
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1", campaign="reviewed", **more))
    decision = gate.decision(person, "m-1")
    shown = (decision["outcome"], decision["final"], decision["code"], decision["eligible_at"])
    assert shown == ("review", False, "needs_review", None)
    assert gate.released(person) == []


def test_an_approval_releases_what_waits_for_it(gate: Stage) -> None:
    [person] = people("approved", 1)
    reviewed(gate, person)
    gate.tell(topics.REVIEWS, answer(person, "m-1"))
    assert gate.final(person, "m-1")["outcome"] == "release"


def test_an_answer_may_name_the_person_by_the_pseudonym_of_the_decision(gate: Stage) -> None:
    [person] = people("by-pseudonym", 1)
    reviewed(gate, person)
    gate.tell(topics.REVIEWS, answer(NAMES.of(person), "m-1"))
    assert gate.final(person, "m-1")["outcome"] == "release"
    assert [one["person"] for one in gate.released(person)] == [person]


def test_a_refusal_is_final(gate: Stage) -> None:
    [person] = people("refused", 1)
    reviewed(gate, person)
    gate.tell(topics.REVIEWS, answer(person, "m-1", "refuse"))
    decision = gate.final(person, "m-1")
    assert (decision["outcome"], decision["code"]) == ("suppress", "review_refused")
    gate.tell(topics.REVIEWS, answer(person, "m-1", reviewer="bob"))
    gate.tell(topics.CANDIDATES, candidate(person, "m-2"))
    assert gate.final(person, "m-2")["outcome"] == "release"
    assert len(gate.decisions(person, "m-1")) == 2


def test_an_answer_that_is_early_is_kept_for_its_message(gate: Stage) -> None:
    [person] = people("early", 1)
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.REVIEWS, answer(person, "m-1"))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1", campaign="reviewed"))
    gate.final(person, "m-1")
    assert [one["outcome"] for one in gate.decisions(person)] == ["release"]


def test_what_is_approved_at_a_closed_hour_waits_for_the_opening(gate: Stage) -> None:
    [person] = people("at-night", 1)
    gate.tell(topics.PROFILES, profile(person, time_zone=closed_zone()))
    reviewed(gate, person, channel="call")
    gate.tell(topics.REVIEWS, answer(person, "m-1"))
    decision = gate.decision(person, "m-1", number=2)
    assert (decision["outcome"], decision["code"]) == ("defer", "quiet_hours")
    assert decision["eligible_at"] is not None
    assert gate.released(person) == []


def test_what_nobody_answers_ends_at_its_deadline(make_stage: MakeStage) -> None:
    rules = policy()
    rules["review"] |= {"deadline": "2s", "on_deadline": "suppress"}
    stage = make_stage(rules)
    stage.worker().wait_until_ready()
    [person, other] = people("unanswered", 2)
    reviewed(stage, person)
    decision = stage.final(person, "m-1")
    assert (decision["outcome"], decision["code"]) == ("suppress", "review_expired")
    first = stage.decisions(person)[0]
    waited = instant(decision["decided_at"]) - instant(first["decided_at"])
    assert 2.0 <= waited < 30.0
    rules["review"]["on_deadline"] = "release"
    stage.rule_by(rules)
    active = {"state": "active", "revision": first["policy"]}
    [worker] = stage.workers
    stage.wait_for(lambda: not worker.metric("governor_policy_info", **active))
    reviewed(stage, other)
    assert stage.final(other, "m-1")["outcome"] == "release"

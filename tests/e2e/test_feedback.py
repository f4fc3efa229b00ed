"""What the sender and the person say back: slots are given back and taken again, and no is no."""

from __future__ import annotations

import pytest

from governor.config import topics
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, consent, feedback, moment


def outcome(gate: Stage, person: str, message: str, **more: object) -> tuple[str, str | None]:
    """Ask for a message and return what becomes of it."""
    gate.tell(topics.CANDIDATES, candidate(person, message, **more))
    decision = gate.decision(person, message)
    return decision["outcome"], decision["code"]


@pytest.fixture
def person(gate: Stage) -> str:
    """Give somebody whose one slot of the day is taken by `m-1`."""
    [name] = people("hears", 1)
    gate.tell(topics.CONSENTS, consent(name))
    assert outcome(gate, name, "m-1") == ("release", None)
    assert outcome(gate, name, "m-2") == ("suppress", "cap_reached")
    return name


@pytest.mark.parametrize("kind", ["bounced", "failed"])
def test_what_did_not_arrive_gives_its_slot_back_once(gate: Stage, person: str, kind: str) -> None:
    [worker] = gate.workers
    before = worker.metric("governor_refunded_total")
    gate.tell(topics.FEEDBACK, feedback(person, "m-1", kind))
    gate.tell(topics.FEEDBACK, feedback(person, "m-1", kind))
    assert outcome(gate, person, "m-3") == ("release", None)
    assert outcome(gate, person, "m-4") == ("suppress", "cap_reached")
    assert worker.metric("governor_refunded_total") == before + 1


def test_what_arrives_after_all_takes_its_slot_again(gate: Stage, person: str) -> None:
    [worker] = gate.workers
    before = worker.metric("governor_recounted_total")
    gate.tell(topics.FEEDBACK, feedback(person, "m-1", "bounced"))
    gate.tell(topics.FEEDBACK, feedback(person, "m-1", "delivered"))
    assert outcome(gate, person, "m-3") == ("suppress", "cap_reached")
    assert worker.metric("governor_recounted_total") == before + 1


def test_a_slot_that_is_given_back_wakes_what_waits_for_it(gate: Stage) -> None:
    [name] = people("waits-for-slot", 1)
    gate.tell(topics.CONSENTS, consent(name))
    assert outcome(gate, name, "m-1", channel="push") == ("release", None)
    assert outcome(gate, name, "m-2", channel="push") == ("defer", "cap_reached")
    gate.tell(topics.FEEDBACK, feedback(name, "m-1", "bounced"))
    assert gate.final(name, "m-2")["outcome"] == "release"


def test_an_unsubscription_withdraws_on_the_channel_of_its_message(gate: Stage) -> None:
    [name] = people("unsubscribes", 1)
    gate.tell(topics.CONSENTS, consent(name))
    assert outcome(gate, name, "m-1") == ("release", None)
    gate.tell(topics.FEEDBACK, feedback(name, "m-1", "unsubscribed"))
    assert outcome(gate, name, "m-2") == ("suppress", "consent_withdrawn")
    assert outcome(gate, name, "m-3", channel="push") == ("release", None)


def test_a_complaint_withdraws_on_every_channel(gate: Stage) -> None:
    [name] = people("complains", 1)
    gate.tell(topics.CONSENTS, consent(name))
    assert outcome(gate, name, "m-1") == ("release", None)
    gate.tell(topics.FEEDBACK, feedback(name, "m-1", "complained"))
    assert outcome(gate, name, "m-2", channel="push") == ("suppress", "consent_withdrawn")


def test_feedback_on_a_message_never_seen_counts_for_consent_only(gate: Stage) -> None:
    [worker] = gate.workers
    [name] = people("unseen", 1)
    before = worker.metric("governor_feedback_unmatched_total")
    gate.tell(topics.CONSENTS, consent(name))
    gate.tell(topics.FEEDBACK, feedback(name, "from-elsewhere", "unsubscribed", channel="email"))
    assert outcome(gate, name, "m-1") == ("suppress", "consent_withdrawn")
    assert outcome(gate, name, "m-2", channel="push") == ("release", None)
    assert worker.metric("governor_feedback_unmatched_total") == before + 1


def test_feedback_on_what_was_held_back_is_ignored_and_counted(gate: Stage) -> None:
    [worker] = gate.workers
    [name] = people("held-back", 1)
    labels = {"reason": "not_released"}
    before = worker.metric("governor_feedback_ignored_total", **labels)
    gate.tell(topics.CONSENTS, consent(name))
    assert outcome(gate, name, "m-1", not_before=moment(3600)) == ("defer", "not_yet")
    gate.tell(topics.FEEDBACK, feedback(name, "m-1", "complained"))
    assert outcome(gate, name, "m-2") == ("release", None)
    assert len(gate.decisions(name, "m-1")) == 1
    assert worker.metric("governor_feedback_ignored_total", **labels) == before + 1

"""What restricts comes before what could be released, and reaches what already waits."""

from __future__ import annotations

import math

from governor.config import topics
from tests.e2e.kit import Stage, people
from tests.e2e.values import (
    cancellation,
    candidate,
    closed_zone,
    consent,
    control,
    instant,
    moment,
    profile,
)

FAR = 3600.0


def waits(gate: Stage, person: str, message: str = "m-1", **more: object) -> None:
    """Let a message of *person* wait for a time far ahead."""
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CANDIDATES, candidate(person, message, not_before=moment(FAR), **more))
    decision = gate.decision(person, message)
    assert (decision["outcome"], decision["code"]) == ("defer", "not_yet")


def verdict(gate: Stage, person: str, message: str = "m-1") -> tuple[str, str | None]:
    decision = gate.final(person, message)
    return decision["outcome"], decision["code"]


def test_withdrawals_that_lie_in_kafka_before_the_worker_starts_stop_every_candidate(
    stage: Stage,
) -> None:
    crowd = people("crowd", 200)
    others = people("others", 40)
    for number in range(30):
        for person in crowd:
            stage.send(topics.CONSENTS, consent(person, seconds=-1000 + number))
    stage.tell(topics.CONSENTS, *map(consent, others))
    stage.tell(topics.CONSENTS, *(consent(person, "withdraw", 0) for person in crowd))
    for person in (*crowd, *others):
        stage.send(topics.CANDIDATES, candidate(person, "m-1"))
    stage.flush()
    stage.worker().wait_until_ready()
    stage.wait_for(lambda: len(stage.decisions()) >= 240)
    assert {verdict(stage, person) for person in crowd} == {("suppress", "consent_withdrawn")}
    assert {one["person"] for one in stage.released()} == set(others)


def test_a_withdrawal_suppresses_what_waits_at_once(gate: Stage) -> None:
    [person] = people("withdraws", 1)
    waits(gate, person)
    gate.tell(topics.CONSENTS, consent(person, "withdraw", 0))
    assert verdict(gate, person) == ("suppress", "consent_withdrawn")
    assert gate.released(person) == []


def test_an_objection_on_one_channel_leaves_the_other_variant(gate: Stage) -> None:
    [person] = people("objects", 1)
    variants = [{"id": "a", "channel": "push"}, {"id": "b", "channel": "email"}]
    waits(gate, person, variants=variants)
    gate.tell(topics.CONSENTS, consent(person, "object", 0, channel="push"))
    later = candidate(person, "m-2", variants=variants)
    gate.tell(topics.CANDIDATES, later)
    assert gate.final(person, "m-2")["variant"] == "b"
    assert [one["outcome"] for one in gate.decisions(person, "m-1")] == ["defer"]


def test_a_cancelled_message_is_suppressed_whether_it_waits_or_is_still_to_come(
    gate: Stage,
) -> None:
    [after, before] = people("cancels", 2)
    waits(gate, after)
    gate.tell(topics.CANCELLATIONS, cancellation(after, message="m-1"))
    assert verdict(gate, after) == ("suppress", "cancelled")
    gate.tell(topics.CANCELLATIONS, cancellation(before, message="m-1"))
    gate.tell(topics.CONSENTS, consent(before))
    gate.tell(topics.CANDIDATES, candidate(before, "m-1"), candidate(before, "m-2"))
    assert verdict(gate, before) == ("suppress", "cancelled")
    assert verdict(gate, before, "m-2") == ("release", None)


def test_a_cancelled_campaign_stops_what_waits_of_it_and_nothing_that_comes(gate: Stage) -> None:
    [person] = people("campaign", 1)
    waits(gate, person, "m-1", campaign="autumn")
    waits(gate, person, "m-2", campaign="winter")
    gate.tell(topics.CANCELLATIONS, cancellation(person, campaign="autumn"))
    assert verdict(gate, person, "m-1") == ("suppress", "cancelled")
    gate.tell(topics.CANDIDATES, candidate(person, "m-3", campaign="autumn"))
    assert verdict(gate, person, "m-3") == ("release", None)
    assert [one["outcome"] for one in gate.decisions(person, "m-2")] == ["defer"]


def test_a_stop_suppresses_what_waits_and_what_comes_until_the_start(gate: Stage) -> None:
    [first, second] = people("stop", 2)
    waits(gate, first, campaign="stopped")
    waits(gate, second, campaign="not-stopped")
    gate.tell(topics.CONTROL, control("stop", campaign="stopped"))
    assert verdict(gate, first) == ("suppress", "kill_switch")
    # Not even what is owed: a stop binds every category.
    owed = candidate(first, "m-2", campaign="stopped", category="transactional")
    gate.tell(topics.CANDIDATES, owed)
    assert verdict(gate, first, "m-2") == ("suppress", "kill_switch")
    gate.tell(topics.CONTROL, control("start", campaign="stopped"))
    gate.tell(topics.CANDIDATES, candidate(first, "m-3", campaign="stopped"))
    assert verdict(gate, first, "m-3") == ("release", None)
    assert [one["outcome"] for one in gate.decisions(second)] == ["defer"]


def test_a_pause_holds_back_and_the_resume_lets_go(gate: Stage) -> None:
    [person] = people("pause", 1)
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CONTROL, control("pause", campaign="paused", channel="email"))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1", campaign="paused"))
    held = gate.decision(person, "m-1")
    assert (held["outcome"], held["code"], held["eligible_at"]) == (
        "defer",
        "paused_campaign",
        None,
    )
    gate.tell(topics.CONTROL, control("resume", campaign="paused", channel="email"))
    assert verdict(gate, person) == ("release", None)
    assert len(gate.decisions(person)) == 2


def test_a_persons_own_pause_defers_until_it_is_lifted(gate: Stage) -> None:
    [person] = people("own-pause", 1)
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.CONSENTS, consent(person, "pause", 0, until=moment(FAR)))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1"))
    held = gate.decision(person, "m-1")
    assert (held["outcome"], held["code"]) == ("defer", "person_paused")
    gate.tell(topics.CONSENTS, consent(person, "resume", 0.0))
    assert verdict(gate, person) == ("release", None)


def test_a_persons_own_pause_puts_off_what_waits_already(gate: Stage) -> None:
    [person] = people("pause-waits", 1)
    waits(gate, person)
    until = moment(2 * FAR)
    gate.tell(topics.CONSENTS, consent(person, "pause", 0, until=until))
    later = gate.decision(person, "m-1", number=2)
    assert later["outcome"] == "defer"
    assert instant(later["eligible_at"]) == math.ceil(instant(until))


def test_a_new_profile_wakes_what_waits_for_the_hours_of_the_old_one(gate: Stage) -> None:
    [person] = people("moves", 1)
    gate.tell(topics.CONSENTS, consent(person))
    gate.tell(topics.PROFILES, profile(person, time_zone=closed_zone()))
    gate.tell(topics.CANDIDATES, candidate(person, "m-1", channel="call"))
    held = gate.decision(person, "m-1")
    assert (held["outcome"], held["code"]) == ("defer", "quiet_hours")
    gate.tell(topics.PROFILES, profile(person, time_zone=closed_zone(open_=True)))
    assert verdict(gate, person) == ("release", None)


def test_withdrawals_unread_in_a_dead_workers_partitions_hold_what_is_due_everywhere(
    stage: Stage,
) -> None:
    dead, alive = (
        stage.worker(GOVERNOR_INSTANCE=name, GOVERNOR_SESSION_TIMEOUT="15s").wait_until_ready()
        for name in ("one", "two")
    )
    crowd = people("withdraws", 40)
    stage.tell(topics.CONSENTS, *map(consent, crowd))
    for person in crowd:
        stage.send(topics.CANDIDATES, candidate(person, "m-1", not_before=moment(12)))
    stage.flush()
    stage.wait_for(lambda: len(stage.decisions()) >= len(crowd))
    dead.kill()
    stage.tell(topics.CONSENTS, *(consent(person, "withdraw", 0) for person in crowd))
    for person in crowd:
        decision = stage.final(person, "m-1", within=60)
        assert (decision["outcome"], decision["code"]) == ("suppress", "consent_withdrawn")
    assert stage.released() == []
    assert alive.metric("governor_held_closed_seconds_total", cause="consents") > 0

"""A turn: repeats, what is not yet published, what is forgotten, and catching up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from governor.core.instant import DAY, SECOND
from governor.core.record import LOOK_AGAIN
from governor.core.standing import REPEATED, SENT, ControlState, Scope
from governor.core.turn import Turn, reconsider, sent
from governor.core.verdict import Outcome
from tests.core.story import PERSON, Event, Story, arrived, asked, at, bare, heard, written

NIGHTS = {"id": "n", "allow": {"mon-sun": "08:00-21:00"}}
CAP = {"id": "c", "limit": 1, "window": "24h", "at_cap": "suppress"}


def willing(**sections: Any) -> Story:
    person = Story(**sections)
    person.grant("2026-01-01T00:00")
    return person


def turn(person: Story, when: str, *events: Event) -> Turn:
    return Turn(PERSON, at(when), fresh=tuple(arrived(person, when, event) for event in events))


# Repeats.


@pytest.mark.parametrize("when", ["10:00", "10:00:01", "06T10:00", "08T10:00"])
def test_a_known_id_keeps_its_verdict_whatever_has_changed_since(when: str) -> None:
    person = willing(caps=[CAP])
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    released, suppressed = person.resolutions
    person.consent("10:00", "withdraw", purpose="*")
    standing = person.standing
    assert person.happens(when, asked("10:00", "a"), asked("10:00", "b")) == [
        "a release",
        "b suppress cap_reached",
    ]
    again = person.resolutions[-2:]
    assert [bare(one) for one in again] == [bare(released), bare(suppressed)]
    assert all(one.repeat and one.reconstructed for one in again)
    assert [entry.settled for entry in person.standing.log] == [REPEATED]
    assert [msgspec.structs.replace(entry, settled=SENT) for entry in person.standing.log] == list(
        standing.log
    )
    once = person.standing
    person.happens(when, asked("10:00", "a"), asked("10:00", "b"))
    assert person.standing == once


def test_what_has_been_repeated_is_not_judged_again_by_whoever_committed_it() -> None:
    person = willing()
    person.candidate("10:00")
    [release] = person.resolutions
    person.happens("10:00:07", asked("10:00"))
    person.consent("10:00:08", "withdraw")
    late = reconsider(person.setting(), person.standing, release, at("10:00:09"))
    assert late == (person.standing, release)


def test_a_repeat_is_told_with_the_findings_of_its_own_moment() -> None:
    person = willing(caps=[{**CAP, "limit": 2}])
    for name in ("a", "b", "c"):
        person.candidate("10:00", name)
    person.happens("11:00", asked("10:00", "b"))
    finding = person.finding("caps", "c")
    assert (finding.observed, finding.outcome) == (1, Outcome.RELEASE)


def test_a_repeat_of_what_waits_is_told_and_goes_on_waiting() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    waiting = person.standing.waiting
    assert person.happens("04:00", asked("03:00")) == ["m defer quiet_hours 06:00:00Z"]
    assert person.resolutions[-1].repeat
    assert person.standing.waiting == waiting
    assert person.run("06:00") == ["m release"]


def test_another_content_under_a_known_id_is_refused_and_changes_nothing() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00", "a")
    person.candidate("10:00", "b")
    person.steer("10:30", "stop")
    person.candidate("10:40", "c")
    before = person.standing
    for name in ("a", "b", "c"):
        assert person.candidate("11:00", name, payload=1) == []
    assert person.rejected == [(name, "conflicting_id") for name in ("a", "b", "c")]
    assert person.standing == before


def test_the_same_content_with_its_keys_in_another_order_is_no_conflict() -> None:
    person = willing()
    kind, data = asked("10:00", payload={"x": 1, "y": [1, 2]})
    person.happens("10:00", (kind, data))
    turned = dict(reversed(data.items())) | {"payload": {"y": [1, 2], "x": 1}}
    assert person.happens("11:00", (kind, turned)) == ["m release"]
    assert person.rejected == []


def test_a_candidate_from_too_far_ahead_is_refused_and_leaves_no_trace() -> None:
    person = willing()
    assert person.happens("10:00", asked("10:05", "a")) == ["a release"]
    assert person.happens("10:00", asked("10:05:00.001", "b")) == []
    assert person.rejected == [("b", "future_time")]
    assert person.happens("10:00:00.001", asked("10:05:00.001", "b")) == ["b release"]


def test_two_equal_candidates_in_one_turn_are_one() -> None:
    person = willing()
    assert person.happens("10:00", asked("10:00"), asked("10:00")) == ["m release", "m release"]
    assert [one.repeat for one in person.resolutions] == [False, True]
    assert len(person.standing.log) == 1


# Old records, and what is forgotten.


def old(when: str, record: str) -> Turn:
    """Return a turn at *when* with a candidate whose record is of *record*."""
    incoming = arrived(willing(), record, asked("2026-01-01T00:00"))
    return Turn(PERSON, at(when), fresh=(incoming,))


@pytest.mark.parametrize(
    ("record", "said"),
    [("02T10:00", "m release"), ("02T09:59:59.999", "m suppress expired")],
)
def test_a_record_older_than_verdicts_are_kept_is_never_judged_anew(record: str, said: str) -> None:
    assert willing().take(old("05T10:00", record)) == [said]


def test_an_old_record_of_a_known_id_keeps_its_verdict() -> None:
    person = willing()
    person.take(old("05T10:00", "05T10:00"))
    assert person.take(old("12T10:00", "05T10:00")) == ["m release"]
    assert person.resolutions[-1].repeat


@pytest.mark.parametrize(
    "retention",
    [
        {"verdicts": "72h", "history": "180d"},
        {"verdicts": "72h", "history": "24h"},
        {"verdicts": "1h", "history": "1h"},
    ],
)
@pytest.mark.parametrize("stopped", [False, True])
def test_one_verdict_is_kept_as_long_as_its_record_could_be_judged_anew(
    retention: dict[str, str], *, stopped: bool
) -> None:
    person = willing(retention=retention)
    if stopped:
        person.steer("2026-04-30T00:00", "stop")
    record = "05T10:00"
    (first,) = person.take(old(record, record))
    person.steer("05T10:00:01", "start" if stopped else "stop")
    kept = {"72h": 72 * 3600, "1h": 3600}[retention["verdicts"]] * SECOND
    for later in (1, kept // 2, kept - 1, kept, kept + 1, 2 * kept, 400 * DAY):
        again = msgspec.structs.replace(old(record, record), now=at(record) + later)
        person.take(Turn(PERSON, again.now))
        (said,) = person.take(again)
        assert said in (first, "m suppress expired", "m suppress kill_switch")
        assert (said == "m release") <= (first == "m release")
        if later <= kept:
            assert said == first
    assert len(person.standing.log) <= 1


def test_what_is_older_than_any_window_is_dropped() -> None:
    person = willing(retention={"verdicts": "1h", "history": "1d"})
    person.candidate("05T10:00", "a")
    person.feedback("05T10:00", "elsewhere", "dismissed")
    person.cancel("05T10:00", message="x")
    person.answer("05T10:00", "y", "approve")
    person.steer("05T10:30", "stop")
    person.candidate("05T11:00", "b")
    person.steer("05T11:30", "start")
    person.candidate("06T12:00", "c")
    standing = person.standing
    assert [entry.at for entry in standing.log] == [at("06T12:00")]
    assert (standing.heard, standing.cancelled, standing.answers, standing.judged) == (
        (),
        (),
        (),
        (),
    )
    assert standing.consents


def test_a_cancellation_waits_for_its_message_as_long_as_verdicts_are_kept() -> None:
    person = willing(retention={"verdicts": "72h", "history": "24h"})
    person.cancel("05T10:00", message="m")
    person.profile("08T09:59:59", time_zone="Europe/Berlin")
    assert person.candidate("08T09:59:59", "m") == ["m suppress cancelled"]


def test_a_simulation_forgets_nothing() -> None:
    person = Story(forgets=False)
    person.grant("2026-01-01T00:00")
    person.candidate("2026-01-02T10:00", "a")
    assert person.happens("2026-12-02T10:00", asked("2026-01-02T10:00", "a")) == ["a release"]
    assert person.resolutions[-1].repeat


def test_the_answers_on_what_waits_are_kept_as_long_as_it_waits() -> None:
    rules = {"rules": [{"id": "r", "reviewers": 2}], "deadline": "10d"}
    person = willing(review=rules, defaults={"time_zone": "UTC", "expires_after": "20d"})
    person.candidate("05T10:00")
    person.answer("05T11:00", "m", "approve")
    assert person.answer("14T11:00", "m", "approve", reviewer="bob") == ["m release"]


# The clock.


def test_now_never_falls_below_a_persons_last_entry() -> None:
    person = willing(caps=[CAP])
    person.candidate("10:00", "a")
    assert person.take(turn(person, "09:00", asked("08:00", "b"))) == ["b suppress cap_reached"]
    assert person.resolutions[-1].decided_at == at("10:00")


# What is not yet published.


def test_what_was_decided_and_not_published_is_looked_at_again_and_published_the_same() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    assert person.take(Turn(PERSON, at("06:00"), due=True), publish=False) == ["m release"]
    (first,) = person.resolutions[-1:]
    (left,) = person.standing.waiting
    assert left.wake_at == at("06:00") + LOOK_AGAIN
    assert person.take(Turn(PERSON, left.wake_at - 1, due=True), publish=False) == []
    assert person.take(Turn(PERSON, left.wake_at, due=True)) == ["m release"]
    again = person.resolutions[-1]
    assert bare(again) == bare(first)
    assert (again.repeat, again.reconstructed) == (True, True)
    assert person.standing.waiting == ()
    assert len(person.standing.log) == 1


def test_a_deferral_that_was_not_published_is_published_before_the_next_verdict() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    moved = ("profile", {"person": PERSON, "at": written("03:10"), "time_zone": "America/New_York"})
    told = (heard(person, "03:10", moved),)
    person.take(Turn(PERSON, at("03:10"), told=told), publish=False)
    back = ("profile", {"person": PERSON, "at": written("03:20"), "time_zone": "Asia/Kolkata"})
    told = (heard(person, "03:20", back),)
    assert person.take(Turn(PERSON, at("03:20"), told=told)) == [
        "m defer quiet_hours 12:00:00Z",
        "m release",
    ]
    assert [one.attempt for one in person.resolutions] == [1, 2, 2, 3]
    assert person.standing.waiting == ()


def test_letting_go_of_one_decision_leaves_a_newer_one() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    older = person.resolutions[-1]
    person.take(Turn(PERSON, at("06:00"), due=True), publish=False)
    assert sent(person.standing, [older]) is person.standing
    assert sent(person.standing, person.resolutions[-1:]).waiting == ()


def test_letting_go_twice_changes_nothing() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    person.profile("04:00", time_zone="America/New_York")
    assert sent(person.standing, person.resolutions) is person.standing


# Judged again after a late commit.


def late(person: Story, when: str) -> str:
    """Judge the last decision again as one that was committed and never published."""
    release = person.resolutions[-1]
    standing, now_said = reconsider(person.setting(), person.standing, release, at(when))
    person.standing = standing
    verdict = now_said.verdict
    assert now_said.decision_id == release.decision_id
    return f"{verdict.outcome.name.lower()} {verdict.code or ''}".strip()


def test_a_release_that_still_may_go_is_left_as_it_is() -> None:
    person = willing(caps=[CAP], quiet_hours=[NIGHTS])
    person.candidate("10:00")
    before = person.standing
    assert late(person, "10:00:06") == "release"
    assert person.standing is before


def test_a_release_that_may_no_longer_go_gives_its_slot_back() -> None:
    person = willing(caps=[CAP])
    person.candidate("10:00", "a")
    release = person.resolutions[-1]
    person.consent("10:00:03", "withdraw")
    person.resolutions.append(release)
    assert late(person, "10:00:06") == "suppress consent_withdrawn"
    assert person.standing.log == ()
    person.grant("10:01")
    assert person.candidate("10:02", "b") == ["b release"]
    assert person.happens("10:03", asked("10:00", "a")) == ["a suppress consent_withdrawn"]


def test_a_release_that_came_too_late_for_the_day_waits_for_the_next() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("18:59:58")
    assert late(person, "19:00:04") == "defer quiet_hours"
    assert person.run("06T06:00") == ["m release"]
    assert person.resolutions[-1].attempt == 2


def unpublished(person: Story) -> None:
    """Release what waited for the morning, and lose it before it is published."""
    person.candidate("03:00")
    assert person.take(Turn(PERSON, at("06:00"), due=True), publish=False) == ["m release"]


def test_a_release_out_of_waiting_goes_back_to_waiting() -> None:
    person = willing(quiet_hours=[NIGHTS])
    unpublished(person)
    release = person.resolutions[-1]
    person.control = ControlState(1, frozenset([Scope()]))
    assert late(person, "06:00:06") == "defer paused_campaign"
    (left,) = person.standing.waiting
    assert (left.attempt, left.unsent) == (release.attempt, True)
    assert person.standing.log == ()


@pytest.mark.parametrize("let_go", [True, False])
def test_one_verdict_stays_when_somebody_else_has_published_it_meanwhile(*, let_go: bool) -> None:
    person = willing(quiet_hours=[NIGHTS])
    unpublished(person)
    release = person.resolutions[-1]
    person.control = ControlState(1, frozenset([Scope()]))
    assert person.take(Turn(PERSON, at("06:00:05"), due=True), publish=let_go) == ["m release"]
    person.resolutions.append(release)
    before = person.standing
    assert late(person, "06:00:06") == "release"
    assert person.standing is before


def test_what_somebody_else_has_already_settled_is_left_alone() -> None:
    person = willing()
    person.candidate("10:00")
    release = person.resolutions[-1]
    changed = msgspec.structs.replace(release, seq=release.seq + 1)
    assert reconsider(person.setting(), person.standing, changed, at("11:00")) == (
        person.standing,
        changed,
    )


# Held, and caught up with.


def test_while_the_gate_is_held_facts_are_written_down_and_nothing_is_judged() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    told = heard(person, "04:00", person.said("04:00", "withdraw"))
    assert person.take(Turn(PERSON, at("04:00"), told=(told,), hold=True)) == []
    (left,) = person.standing.waiting
    assert (left.wake_at, left.planned_at) == (at("04:00"), at("06:00"))
    assert person.take(Turn(PERSON, at("04:10"), due=True)) == ["m suppress consent_withdrawn"]


def test_a_message_woken_while_the_gate_was_held_is_still_woken_early() -> None:
    person = willing(quiet_hours=[{**NIGHTS, "match": {"channel": "push"}}], caps=[CAP])
    person.candidate("03:00", "a", channel="push")
    person.candidate("03:10", "b")
    profile = {"person": PERSON, "at": written("04:00"), "locale": "de"}
    told = heard(person, "04:00", ("profile", profile))
    person.take(Turn(PERSON, at("04:00"), told=(told,), hold=True))
    assert person.take(Turn(PERSON, at("04:10"), due=True)) == [
        "a defer cap_reached 2026-05-06T06:00:00Z"
    ]


def test_catching_up_judges_each_at_its_own_time() -> None:
    person = willing(caps=[{**CAP, "at_cap": "defer"}])
    person.candidate("05T01:00", "x")
    for number, name in enumerate("abc"):
        person.candidate(f"05T02:0{number}", name, priority=90 - number)
    said = person.take(Turn(PERSON, at("10T00:00"), due=True, catch_up=True))
    assert [one for one in said if "release" in one] == ["a release", "b release", "c release"]
    released = [one for one in person.resolutions if one.verdict.outcome is Outcome.RELEASE]
    assert [one.decided_at for one in released] == [at(f"{day:02}T01:00") for day in range(5, 9)]


def test_catching_up_with_what_was_never_published_publishes_it_once() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    person.steer("04:00", "pause")
    (left,) = person.standing.waiting
    unsent = msgspec.structs.replace(left, unsent=True, wake_at=left.decided_at + LOOK_AGAIN)
    person.standing = msgspec.structs.replace(person.standing, waiting=(unsent,))
    said = person.take(Turn(PERSON, at("11T00:00"), due=True, catch_up=True))
    assert said == ["m defer paused_campaign"]
    assert person.resolutions[-1].repeat
    assert person.run("12T03:00") == ["m suppress expired"]

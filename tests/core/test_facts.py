"""Facts: what is told about a person and how it stands in what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.codec.decode import decode_event
from governor.core.consents import last_pause, objects, said, speaking_of, with_event
from governor.core.facts import apply
from governor.core.incoming import Told
from governor.core.standing import SENT, Consent, Profile, name64
from governor.core.turn import Turn
from tests.core.story import PERSON, Story, at, written
from tests.service.arriving import CAP, NIGHTS


def feedback(when: str, message: str, kind: str, **data: Any) -> tuple[str, dict[str, Any]]:
    base = {"id": "f", "message": message, "person": PERSON, "at": written(when)}
    return "feedback", {**base, "kind": kind, **data}


def willing(**sections: Any) -> Story:
    person = Story(**sections)
    person.grant("00:00")
    return person


# Versions.


def test_every_change_raises_the_version_and_what_changes_nothing_does_not() -> None:
    person = willing()
    assert person.standing.version == 1
    person.grant("00:00")
    person.happens("01:00", person.said("00:00", "grant"))
    assert person.standing.version == 1
    person.consent("02:00", "pause")
    assert person.standing.version == 2


def test_the_decision_carries_the_version_that_the_standing_has_after_it() -> None:
    person = willing()
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    assert [one.seq for one in person.resolutions] == [2, 3]
    assert person.standing.version == 3


# Profiles.


def test_the_latest_profile_replaces_the_whole_earlier_one() -> None:
    person = Story()
    person.profile("08:00", time_zone="Asia/Kolkata", country="IN", groups={"b": "2", "a": "1"})
    person.profile("09:00", locale="de", vulnerabilities=["illness", "debt"])
    profile = person.standing.profile
    assert profile == Profile(at=at("09:00"), locale="de", vulnerabilities=("debt", "illness"))


def test_an_older_profile_changes_nothing_and_one_of_the_same_moment_replaces() -> None:
    person = Story()
    person.profile("09:00", locale="de")
    person.happens(
        "09:30", ("profile", {"person": PERSON, "at": written("08:59:59.999"), "locale": "fr"})
    )
    assert person.standing.profile
    assert person.standing.profile.locale == "de"
    person.happens("09:40", ("profile", {"person": PERSON, "at": written("09:00"), "locale": "it"}))
    assert person.standing.profile.locale == "it"


def test_a_household_is_kept_under_its_alias_alone() -> None:
    person = willing()
    person.profile("08:00", household="h-7")
    person.candidate("09:00", "a")
    person.candidate("09:00", "b", household="h-8")
    assert [entry.household for entry in person.standing.log] == ["alias of h-7", "alias of h-8"]


def test_comfort_is_kept_as_it_was_said() -> None:
    person = Story()
    person.profile("08:00", comfort={"level": "low", "max_per_week": 3})
    profile = person.standing.profile
    assert profile
    assert (profile.comfort.level, profile.comfort.max_per_week) == ("low", 3)


# Feedback.


def test_feedback_on_a_message_never_seen_counts_for_consent_and_silence_and_refunds_nothing() -> (
    None
):
    person = willing()
    person.happens("08:00", feedback("08:00", "elsewhere", "bounced"))
    person.happens("08:10", feedback("08:10", "elsewhere", "dismissed", channel="push"))
    assert person.notes == ["unknown_message", "unknown_message"]
    heard = [(one.kind, one.channel) for one in person.standing.heard]
    assert heard == [("bounced", None), ("dismissed", "push")]


def test_feedback_on_what_was_judged_and_not_released_is_ignored_and_counted() -> None:
    person = Story()
    person.candidate("09:00", "a")
    before = person.standing
    person.happens("10:00", feedback("10:00", "a", "complained"))
    assert person.standing == before
    assert person.notes == ["not_released"]


def test_of_one_kind_and_channel_the_latest_is_kept() -> None:
    person = willing()
    for when in ("08:00", "09:00", "08:30"):
        person.happens("10:00", feedback(when, "x", "dismissed"))
    (heard,) = person.standing.heard
    assert heard.at == at("09:00")


def test_feedback_for_a_candidate_of_the_same_instant_is_for_one_never_seen() -> None:
    person = willing(caps=[{"id": "c", "limit": 1, "window": "1h"}])
    base = {"id": "a", "person": PERSON, "campaign": "spring", "category": "promotional"}
    base |= {"created_at": written("10:00"), "channel": "email"}
    person.happens("10:00", ("candidate", base), feedback("10:00", "a", "bounced"))
    assert person.notes == ["unknown_message"]
    assert person.candidate("10:10", "b") == ["b defer cap_reached 11:00:00Z"]


def test_an_unsubscription_from_a_category_that_is_gone_counts_for_every_purpose() -> None:
    person = willing()
    person.candidate("09:00", "a")
    person.policy = Story(
        categories={"news": {"purpose": "news", "basis": ["legitimate_interest"]}}
    ).policy
    person.happens("10:00", feedback("10:00", "a", "unsubscribed"))
    assert person.candidate("11:00", "b", category="news") == ["b suppress consent_withdrawn"]


# Reviewers and cancellations.


def test_the_first_answer_of_a_reviewer_is_kept_for_each_message() -> None:
    person = Story()
    person.answer("08:00", "a", "approve")
    person.answer("08:10", "a", "refuse")
    person.answer("08:20", "b", "refuse", variant="v")
    answers = [(one.message, one.approve, one.variant) for one in person.standing.answers]
    assert answers == [(name64("a"), True, None), (name64("b"), False, "v")]


def test_answers_are_dropped_with_the_final_verdict() -> None:
    person = willing(review={"rules": [{"id": "r"}]})
    person.candidate("08:00", "a")
    person.answer("09:00", "b", "approve")
    person.answer("09:00", "a", "approve")
    assert [one.message for one in person.standing.answers] == [name64("b")]


def test_a_cancellation_is_remembered_once() -> None:
    person = Story()
    for when in ("08:00", "09:00"):
        person.cancel(when, message="a")
    assert [one.message for one in person.standing.cancelled] == [name64("a")]
    assert person.standing.version == 1


def spring_cancelled(person: Story, when: str) -> Told:
    data = {"id": "x", "person": PERSON, "campaign": "spring", "at": written("02:10")}
    told = decode_event("cancellation", data, at(when), person.policy)
    assert isinstance(told, Told)
    return told


def test_a_cancelled_campaign_told_once_more_leaves_alone_what_has_come_since() -> None:
    person = willing(quiet_hours=[NIGHTS])
    person.candidate("02:00", "a", campaign="spring")
    told = spring_cancelled(person, "02:10")
    assert person.take(Turn(PERSON, at("02:10"), (told,))) == ["a suppress cancelled"]
    person.candidate("02:20", "b", campaign="spring")
    assert person.take(Turn(PERSON, at("02:30"), (told,))) == []
    assert person.run("06:00") == ["b release"]


def test_a_cancelled_campaign_is_remembered_though_nothing_of_it_waited() -> None:
    person = willing(quiet_hours=[NIGHTS])
    told = spring_cancelled(person, "02:10")
    assert person.take(Turn(PERSON, at("02:10"), (told,))) == []
    person.candidate("02:20", "b", campaign="spring")
    assert person.take(Turn(PERSON, at("02:30"), (told,))) == []
    again = spring_cancelled(person, "02:40")
    assert person.take(Turn(PERSON, at("02:40"), (again,))) == ["b suppress cancelled"]


@pytest.mark.parametrize("kind", ["bounced", "failed"])
def test_never_above_a_cap_what_was_told_before_a_release_gives_no_slot_back_told_once_more(
    kind: str,
) -> None:
    person = willing(caps=[CAP], review={"rules": [{"id": "r"}]})
    person.candidate("08:00", "a")
    _, data = feedback("09:00", "a", kind)
    told = decode_event("feedback", data, at("09:00"), person.policy)
    assert isinstance(told, Told)
    person.happens("09:00", ("feedback", data))
    assert person.answer("10:00", "a", "approve") == ["a release"]
    applied = apply(person.policy, person.standing, told, str)
    assert applied.note == "not_released"
    assert [one.settled for one in applied.standing.log] == [SENT]
    person.happens("10:10", ("feedback", data))
    assert person.notes[-1] == "refunded"


# What is kept of many consent events says the same as all of them.

TIMES = st.integers(0, 4)
CONSENTS = st.builds(
    Consent,
    action=st.sampled_from(
        ["grant", "grant", "refuse", "withdraw", "object", "unobject", "pause", "resume"]
    ),
    purpose=st.sampled_from(["marketing", "*"]),
    channel=st.sampled_from([None, "email"]),
    topic=st.sampled_from([None, "shoes"]),
    basis=st.just(None),
    at=TIMES,
    until=st.sampled_from([None, 3, 5]),
    proven=st.booleans(),
).map(
    lambda one: Consent(
        one.action,
        "marketing" if one.action == "grant" else one.purpose,
        one.channel,
        one.topic,
        "consent" if one.action == "grant" else None,
        one.at,
        expires_at=one.until if one.action == "grant" else None,
        until=one.until if one.action == "pause" else None,
        proven=one.action == "grant" and one.proven,
    )
)


def effect(events: Sequence[Consent], place: tuple[str, str, str | None]) -> tuple[Any, ...]:
    # Of two grants of one strength, for all topics and for this one, either may be the one named.
    matching = speaking_of(events, *place)
    found = said(matching, ["consent"])
    grants = [(one.basis, one.at, one.expires_at, one.proven) for one in found.grants]
    return grants, found.withdrawn, objects(matching), last_pause(matching)


@given(st.lists(CONSENTS, max_size=12), st.randoms(use_true_random=False))
def test_keeping_only_what_can_matter_changes_nothing_whatever_the_order(
    events: list[Consent], random: Any
) -> None:
    kept: tuple[Consent, ...] = ()
    shuffled = list(events)
    random.shuffle(shuffled)
    for event in shuffled:
        kept = with_event(kept, event)
    assert len(kept) <= len({(e.action, e.purpose, e.channel, e.topic, e.basis) for e in events})
    for channel in ("email", "push"):
        for topic in (None, "shoes"):
            place = ("marketing", channel, topic)
            assert effect(kept, place) == effect(events, place)


@pytest.mark.parametrize(
    ("ahead", "applied"), [("10:05:00", "10:05:00"), ("10:05:00.001", "10:00")]
)
def test_what_restricts_and_lies_too_far_ahead_counts_from_its_arrival(
    ahead: str, applied: str
) -> None:
    person = willing()
    person.happens("10:00", person.said(ahead, "withdraw"))
    assert [one.at for one in person.standing.consents if one.action == "withdraw"] == [at(applied)]
    assert person.candidate("10:00:01") == ["m suppress consent_withdrawn"]

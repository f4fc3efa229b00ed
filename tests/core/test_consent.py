"""Consent: nothing without a ground that holds now, nothing against what the person said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.story import CATEGORIES, Story, asked

PROOF = {"evidence": {"notice_version": "7", "method": "form"}}


def category(**data: Any) -> dict[str, Any]:
    return {**CATEGORIES, "promotional": {"purpose": "marketing", **data}}


def story(**data: Any) -> Story:
    return Story(categories=category(**data))


# Grounds.


def test_marketing_needs_a_grant_on_record() -> None:
    person = Story()
    assert person.candidate("10:00", "a") == ["a suppress no_consent"]
    person.grant("10:30")
    assert person.candidate("11:00", "b") == ["b release"]


def test_a_category_without_a_basis_asks_for_consent() -> None:
    person = story()
    person.grant("08:00", basis="soft_opt_in")
    assert person.candidate("10:00", "a") == ["a suppress no_consent"]
    person.grant("11:00")
    assert person.candidate("12:00", "b") == ["b release"]


@pytest.mark.parametrize("basis", ["consent", "soft_opt_in"])
def test_any_listed_basis_is_enough(basis: str) -> None:
    person = Story()
    person.grant("08:00", basis=basis)
    assert person.candidate("10:00") == ["m release"]


@pytest.mark.parametrize("basis", ["contract", "legal_obligation", "legitimate_interest"])
def test_an_asserted_basis_needs_no_grant(basis: str) -> None:
    assert story(basis=[basis]).candidate("10:00") == ["m release"]


def test_a_grant_of_a_basis_that_is_not_listed_is_none() -> None:
    person = Story()
    person.grant("08:00", basis="contract")
    assert person.candidate("10:00") == ["m suppress no_consent"]


@pytest.mark.parametrize("action", ["refuse", "withdraw"])
def test_legitimate_interest_ends_with_a_refusal_until_a_listed_basis_is_granted(
    action: str,
) -> None:
    person = Story()
    person.consent("08:00", action, purpose="news")
    assert person.candidate("09:00", "a", category="news") == ["a suppress consent_withdrawn"]
    person.grant("09:30", purpose="news", basis="soft_opt_in")
    assert person.candidate("10:00", "b", category="news") == ["b suppress consent_withdrawn"]
    person.grant("10:30", purpose="news", basis="legitimate_interest")
    assert person.candidate("11:00", "c", category="news") == ["c release"]


@pytest.mark.parametrize("basis", ["contract", "legal_obligation"])
@pytest.mark.parametrize("action", ["refuse", "withdraw", "object", "pause"])
def test_what_rests_on_contract_can_be_neither_refused_nor_paused(basis: str, action: str) -> None:
    person = story(basis=[basis, "legitimate_interest"])
    person.consent("08:00", action)
    assert person.candidate("09:00") == ["m release"]


# What was said last.


def test_the_latest_by_its_own_time_wins_whatever_the_order_of_arrival() -> None:
    person = Story()
    person.happens("08:00", person.said("07:00", "withdraw"))
    person.happens("08:01", person.said("06:00", "grant"))
    assert person.candidate("09:00", "a") == ["a suppress consent_withdrawn"]
    person.happens("09:30", person.said("07:00:00.001", "grant"))
    assert person.candidate("10:00", "b") == ["b release"]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("object", "objected"),
        ("withdraw", "consent_withdrawn"),
        ("refuse", "consent_withdrawn"),
        ("pause", "person_paused"),
    ],
)
@pytest.mark.parametrize("grant_first", [True, False])
def test_at_one_instant_the_strictest_wins(action: str, code: str, *, grant_first: bool) -> None:
    person = Story()
    said = [person.said("08:00", "grant"), person.said("08:00", action)]
    person.happens("08:00", *(said if grant_first else reversed(said)))
    assert person.candidate("09:00") == [f"m suppress {code}"]


@pytest.mark.parametrize("early_first", [True, False])
def test_of_two_grants_at_one_instant_the_earlier_expiry_counts(*, early_first: bool) -> None:
    person = Story()
    ends = ["2026-05-05T09:00:00Z", "2026-05-06T09:00:00Z"]
    for end in ends if early_first else ends[::-1]:
        person.grant("08:00", expires_at=end)
    person.grant("08:00")
    assert person.candidate("08:59:59", "a") == ["a release"]
    assert person.candidate("09:00", "b") == ["b suppress consent_expired"]


def test_of_two_equal_grants_the_one_without_evidence_counts() -> None:
    person = story(proof="required")
    person.grant("08:00")
    person.grant("08:00", **PROOF)
    assert person.candidate("09:00") == ["m suppress consent_unproven"]


@pytest.mark.parametrize("action", ["withdraw", "refuse"])
def test_a_refusal_ends_all_bases_and_a_grant_brings_back_its_own(action: str) -> None:
    person = Story()
    person.grant("07:00", basis="consent")
    person.grant("07:00", basis="soft_opt_in", expires_at="2026-05-05T10:00:00Z")
    person.consent("08:00", action)
    assert person.candidate("08:30", "a") == ["a suppress consent_withdrawn"]
    person.grant("09:00", basis="soft_opt_in", expires_at="2026-05-05T10:00:00Z")
    assert person.candidate("09:30", "b") == ["b release"]
    assert person.candidate("10:00", "c") == ["c suppress consent_expired"]


def test_grants_stand_side_by_side_one_for_each_basis() -> None:
    person = Story()
    person.grant("07:00", basis="soft_opt_in", expires_at="2026-05-05T09:00:00Z")
    person.grant("06:00", basis="consent")
    assert person.candidate("09:00") == ["m release"]


@pytest.mark.parametrize(
    ("narrow", "reached"),
    [
        ({"channel": "email"}, ["email", "email with topic"]),
        ({"topic": "shoes"}, ["email with topic", "push with topic"]),
        ({"channel": "email", "topic": "shoes"}, ["email with topic"]),
        ({}, ["email", "push", "email with topic", "push with topic"]),
        ({"purpose": "*"}, ["email", "push", "email with topic", "push with topic"]),
        ({"purpose": "news"}, []),
    ],
)
def test_an_event_reaches_its_channel_topic_and_purpose_or_all_of_them(
    narrow: dict[str, Any], reached: list[str]
) -> None:
    person = Story()
    person.grant("07:00")
    person.consent("08:00", "withdraw", **narrow)
    stopped = []
    for number, (channel, topic) in enumerate(
        [("email", None), ("push", None), ("email", "shoes"), ("push", "shoes")]
    ):
        (said,) = person.candidate("09:00", f"m{number}", channel=channel, topic=topic)
        if "withdrawn" in said:
            stopped.append(f"{channel} with topic" if topic else channel)
    assert sorted(stopped) == sorted(reached)


def test_a_grant_for_a_channel_or_topic_is_no_grant_for_others() -> None:
    person = Story()
    person.grant("07:00", channel="email", topic="shoes")
    assert person.candidate("09:00", "a", topic="shoes") == ["a release"]
    assert person.candidate("09:00", "b", topic="hats") == ["b suppress no_consent"]
    assert person.candidate("09:00", "c") == ["c suppress no_consent"]
    assert person.candidate("09:00", "d", topic="shoes", channel="sms") == ["d suppress no_consent"]


def test_a_later_narrow_refusal_beats_a_wide_grant_and_a_later_wide_grant_the_refusal() -> None:
    person = Story()
    person.grant("07:00")
    person.consent("08:00", "refuse", channel="email")
    assert person.candidate("08:30", "a") == ["a suppress consent_withdrawn"]
    assert person.candidate("08:30", "b", channel="push") == ["b release"]
    person.grant("09:00")
    assert person.candidate("09:30", "c") == ["c release"]


# Expiry and evidence.


def test_a_grant_holds_up_to_its_expiry_and_not_at_it() -> None:
    person = Story()
    person.grant("07:00", expires_at="2026-05-05T09:00:00Z")
    assert person.candidate("08:59:59.999", "a") == ["a release"]
    assert person.candidate("09:00", "b") == ["b suppress consent_expired"]
    person.grant("09:30", expires_at="2026-05-06T09:00:00Z")
    assert person.candidate("10:00", "c") == ["c release"]


def test_an_expired_grant_does_not_end_an_asserted_basis() -> None:
    person = Story()
    person.grant(
        "07:00", purpose="news", basis="legitimate_interest", expires_at="2026-05-05T08:00:00Z"
    )
    assert person.candidate("09:00", category="news") == ["m release"]


def test_a_withdrawal_after_an_expired_grant_is_what_is_told() -> None:
    person = Story()
    person.grant("06:00", expires_at="2026-05-05T07:00:00Z")
    person.consent("06:30", "withdraw")
    assert person.candidate("09:00") == ["m suppress consent_withdrawn"]


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (None, "consent_unproven"),
        ({"notice_version": "7"}, "consent_unproven"),
        ({"method": "form"}, "consent_unproven"),
        ({"notice_version": "", "method": "form"}, "consent_unproven"),
        ({"notice_version": "7", "method": "form"}, None),
        ({"notice_version": 7, "method": "form"}, None),
        ({"notice_version": 7.1, "method": "form"}, None),
    ],
)
def test_where_proof_is_required_a_grant_counts_only_with_notice_and_method(
    evidence: dict[str, Any] | None, code: str | None
) -> None:
    person = story(proof="required")
    person.grant("07:00", evidence=evidence)
    said = person.candidate("09:00")
    assert said == ([f"m suppress {code}"] if code else ["m release"])


def test_where_proof_is_required_an_asserted_basis_is_unproven_without_any_grant() -> None:
    person = story(proof="required", basis=["legitimate_interest"])
    assert person.candidate("09:00", "a") == ["a suppress consent_unproven"]
    person.grant("09:30", basis="legitimate_interest", **PROOF)
    assert person.candidate("10:00", "b") == ["b release"]


def test_where_proof_is_required_and_nothing_asserted_no_grant_is_no_consent() -> None:
    assert story(proof="required").candidate("09:00") == ["m suppress no_consent"]


def test_a_proven_grant_that_expired_is_expired_and_not_unproven() -> None:
    person = story(proof="required")
    person.grant("07:00", expires_at="2026-05-05T08:00:00Z", **PROOF)
    assert person.candidate("09:00") == ["m suppress consent_expired"]


def test_what_rests_on_contract_loses_its_proof_with_a_withdrawal() -> None:
    person = story(proof="required", basis=["contract"])
    person.grant("07:00", basis="contract", **PROOF)
    assert person.candidate("08:00", "a") == ["a release"]
    person.consent("08:30", "withdraw")
    assert person.candidate("09:00", "b") == ["b suppress consent_unproven"]


# Objections.


def test_an_objection_is_absolute_and_only_unobject_lifts_it() -> None:
    person = Story()
    person.consent("07:00", "object", purpose="*")
    person.grant("08:00")
    person.consent("08:00", "resume")
    assert person.candidate("09:00", "a") == ["a suppress objected"]
    person.consent("09:30", "unobject")
    assert person.candidate("10:00", "b") == ["b release"]


def test_an_objection_and_its_lifting_at_one_instant_leave_it_standing() -> None:
    person = Story()
    person.grant("07:00")
    person.happens("08:00", person.said("08:00", "unobject"), person.said("08:00", "object"))
    assert person.candidate("09:00") == ["m suppress objected"]


def test_of_several_reasons_the_objection_is_told_before_the_withdrawal() -> None:
    person = Story()
    person.consent("07:00", "withdraw")
    assert person.candidate("07:30", "a") == ["a suppress consent_withdrawn"]
    person.consent("06:00", "object")
    person.consent("07:40", "pause")
    assert person.candidate("08:00", "b") == ["b suppress objected"]


# Pauses.


def test_a_pause_with_an_end_defers_to_it_and_one_without_suppresses() -> None:
    person = Story()
    person.grant("07:00")
    person.consent("08:00", "pause", until="2026-05-05T12:00:00Z")
    assert person.candidate("11:59:59.999", "a") == ["a defer person_paused 12:00:00Z"]
    assert person.candidate("12:00", "b") == ["a release", "b release"]
    person.consent("13:00", "pause")
    assert person.candidate("14:00", "c") == ["c suppress person_paused"]
    assert person.finding("consent", "pause").eligible_at is None


def test_a_later_grant_does_not_end_a_pause_but_resume_does() -> None:
    person = Story()
    person.consent("07:00", "pause", until="2026-05-06T00:00:00Z")
    person.grant("08:00")
    assert person.candidate("09:00") == ["m defer person_paused 2026-05-06T00:00:00Z"]
    assert person.consent("10:00", "resume") == ["m release"]


def test_the_latest_pause_counts_alone_and_of_two_at_one_instant_the_longer() -> None:
    person = Story()
    person.grant("06:00")
    person.consent("07:00", "pause", until="2026-05-05T20:00:00Z")
    person.consent("08:00", "pause", until="2026-05-05T11:00:00Z")
    assert person.candidate("09:00") == ["m defer person_paused 11:00:00Z"]
    person.consent("08:00", "pause", until="2026-05-05T12:00:00Z")
    person.consent("08:00", "pause", until="2026-05-05T11:30:00Z")
    assert [word for word in person.run("12:00") if "release" in word] == ["m release"]
    assert person.resolutions[-1].decided_at % 86_400_000 == 12 * 3_600_000


def test_a_pause_of_one_channel_leaves_the_others() -> None:
    person = Story()
    person.grant("06:00")
    person.consent("07:00", "pause", channel="push")
    variants = [{"id": "loud", "channel": "push"}, {"id": "quiet", "channel": "email"}]
    person.candidate("09:00", variants=variants)
    assert person.resolutions[-1].verdict.variant == 1


def test_a_pause_is_told_after_everything_else() -> None:
    person = Story()
    person.consent("07:00", "pause")
    assert person.candidate("09:00") == ["m suppress no_consent"]


def test_the_end_of_a_pause_inside_a_second_is_the_next_full_one() -> None:
    person = Story()
    person.grant("06:00")
    person.consent("07:00", "pause", until="2026-05-05T10:00:00.001Z")
    assert person.candidate("09:00") == ["m defer person_paused 10:00:01Z"]


def test_a_pause_for_ever_is_a_pause_without_a_time_to_wait_for() -> None:
    person = Story()
    person.grant("06:00")
    person.consent("07:00", "pause", until="9999-12-31T23:59:59.999Z")
    assert person.candidate("09:00", expires_at="9999-12-31T23:59:59.999Z") == [
        "m suppress person_paused"
    ]


# Feedback is consent too.


def test_unsubscribed_withdraws_the_purpose_on_the_channel_of_the_message() -> None:
    person = Story()
    person.grant("06:00")
    person.grant("06:00", purpose="news")
    person.candidate("07:00", "a", channel="push")
    person.feedback("08:00", "a", "unsubscribed", channel="email")
    assert person.candidate("09:00", "b", channel="push") == ["b suppress consent_withdrawn"]
    assert person.candidate("09:00", "c") == ["c release"]
    assert person.candidate("09:00", "d", channel="push", category="news") == ["d release"]


def test_complained_withdraws_the_purpose_on_all_channels() -> None:
    person = Story()
    person.grant("06:00")
    person.candidate("07:00", "a", channel="push")
    person.feedback("08:00", "a", "complained")
    assert person.candidate("09:00", "b") == ["b suppress consent_withdrawn"]
    assert person.candidate("09:00", "c", category="news") == ["c release"]
    person.grant("10:00")
    assert person.candidate("11:00", "d") == ["d release"]


@pytest.mark.parametrize(
    ("kind", "said", "stopped"),
    [
        ("complained", {}, {"email", "push"}),
        ("complained", {"channel": "push"}, {"email", "push"}),
        ("unsubscribed", {}, {"email", "push"}),
        ("unsubscribed", {"channel": "push"}, {"push"}),
    ],
)
def test_of_a_message_never_seen_it_withdraws_every_purpose(
    kind: str, said: dict[str, str], stopped: set[str]
) -> None:
    person = Story()
    person.grant("06:00")
    person.feedback("08:00", "elsewhere", kind, **said)
    for category in ("promotional", "news"):
        for channel in ("email", "push"):
            (word,) = person.candidate(
                "09:00", f"{category}{channel}", category=category, channel=channel
            )
            assert ("consent_withdrawn" in word) == (channel in stopped)


def test_a_withdrawal_beats_everything_that_is_not_yet_released() -> None:
    person = Story(quiet_hours=[{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}])
    person.grant("00:00")
    person.candidate("03:00", "a")
    person.candidate("03:00", "b", topic="shoes", priority=90)
    assert person.consent("04:00", "withdraw") == [
        "b suppress consent_withdrawn",
        "a suppress consent_withdrawn",
    ]
    assert person.run("23:00") == []


def test_a_withdrawal_at_the_instant_of_a_candidate_comes_before_it() -> None:
    person = Story()
    person.grant("06:00")
    assert person.happens("09:00", asked("09:00"), person.said("09:00", "withdraw")) == [
        "m suppress consent_withdrawn"
    ]


def test_a_consent_that_runs_out_before_the_opening_suppresses_at_once() -> None:
    hours = [{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}]
    person = Story(quiet_hours=hours)
    person.grant("00:00", expires_at="2026-05-05T06:00:00Z")
    assert person.candidate("05:00", "a") == ["a suppress quiet_hours"]
    lasting = Story(quiet_hours=hours)
    lasting.grant("00:00", expires_at="2026-05-05T06:00:01Z")
    assert lasting.candidate("05:00", "a") == ["a defer quiet_hours 06:00:00Z"]
    assert lasting.run("06:00") == ["a release"]

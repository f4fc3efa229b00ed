"""Waiting: when a message is looked at again, what it tells meanwhile, and who goes first."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.instant import MINUTE
from tests.core.story import CATEGORIES, Story, asked, at, variant

NIGHTS = {"id": "n", "allow": {"mon-sun": "08:00-21:00"}}


def waiting(**sections: Any) -> Story:
    person = Story(**sections)
    person.grant("2026-01-01T00:00")
    person.grant("2026-01-01T00:00", purpose="news")
    return person


def cap(limit: int, window: str, at_cap: str = "defer", **match: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": f"{limit}-in-{window}".replace(" ", "-"), "limit": limit}
    return {**entry, "window": window, "at_cap": at_cap, "match": match}


# The time that a verdict names.


def test_a_cap_that_frees_in_the_night_gives_the_morning() -> None:
    person = waiting(caps=[cap(1, "12h")], quiet_hours=[NIGHTS])
    person.candidate("10:00", "a")
    assert person.candidate("11:00", "b") == ["b defer cap_reached 2026-05-06T06:00:00Z"]
    assert person.finding("caps", "1-in-12h").eligible_at == at("22:00")
    assert person.run("06T06:00") == ["b release"]


def test_the_time_is_asked_again_until_every_rule_agrees() -> None:
    person = waiting(caps=[cap(1, "20h"), cap(2, "calendar day")], quiet_hours=[NIGHTS])
    person.candidate("13:00", "a")
    # Nine in the morning of the next day; a day with two sends would not bind there.
    assert person.candidate("14:00", "b") == ["b defer cap_reached 2026-05-06T09:00:00Z"]
    person = waiting(caps=[cap(1, "10h")], quiet_hours=[NIGHTS])
    person.consent("00:00", "pause", until="2026-05-05T19:30:00Z")
    assert person.candidate("14:00", "b") == ["b defer person_paused 2026-05-06T06:00:00Z"]


def test_what_suppresses_for_a_time_is_passed_over_like_a_defer() -> None:
    person = waiting(
        caps=[cap(1, "14h", "suppress")], quiet_hours=[{**NIGHTS, "outside": "suppress"}]
    )
    person.candidate("10:00", "a")
    assert person.candidate("11:00", "b", not_before="2026-05-05T20:00:00Z") == [
        "b suppress cap_reached"
    ]
    alone = waiting(quiet_hours=[{**NIGHTS, "outside": "suppress"}])
    assert alone.candidate("11:00", "b", not_before="2026-05-05T20:00:00Z") == [
        "b defer not_yet 2026-05-06T06:00:00Z"
    ]


def test_the_earliest_over_the_variants_counts_the_suppressed_for_a_time_included() -> None:
    person = waiting(
        caps=[cap(1, "1h", "suppress", channel="push")],
        quiet_hours=[
            {**NIGHTS, "allow": {"mon-sun": "16:00-21:00"}, "match": {"channel": "email"}}
        ],
    )
    person.candidate("10:00", "a", channel="push")
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("10:30", "b", variants=variants) == ["b defer quiet_hours 11:00:00Z"]
    assert person.verdict().variant == 1
    assert person.run("11:00") == ["b release"]
    assert person.verdict().variant == 0


def test_a_variant_in_review_gives_no_time() -> None:
    person = waiting(
        caps=[cap(1, "1h", channel="push")],
        quiet_hours=[{**NIGHTS, "match": {"channel": "email"}}],
        review={"rules": [{"id": "r", "when": {"channel": "push"}}]},
    )
    person.answer("00:30", "a", "approve")
    person.candidate("03:00", "a", channel="push")
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("03:30", "b", variants=variants) == ["b defer quiet_hours 06:00:00Z"]


@pytest.mark.parametrize(
    ("expires_at", "said"),
    [("12:00:00", "suppress cap_reached"), ("12:00:01", "defer cap_reached 12:00:00Z")],
)
def test_what_could_only_go_at_its_expiry_or_later_is_suppressed_at_once(
    expires_at: str, said: str
) -> None:
    person = waiting(caps=[cap(1, "2h")])
    person.candidate("10:00", "a")
    assert person.candidate("11:00", "b", expires_at=f"2026-05-05T{expires_at}Z") == [f"b {said}"]


def test_the_expiry_of_a_consent_is_seen_before_the_time_is_named() -> None:
    person = Story(caps=[cap(1, "2h")])
    person.grant("00:00", expires_at="2026-05-05T12:00:00Z")
    person.candidate("10:00", "a")
    assert person.candidate("11:00", "b") == ["b suppress cap_reached"]


# Judged again.


def test_at_its_time_a_message_may_be_deferred_again_or_suppressed() -> None:
    person = waiting(caps=[cap(1, "6h", "suppress")], quiet_hours=[NIGHTS])
    person.candidate("03:00", "a")
    person.candidate("03:00", "b")
    assert person.run("06:00") == ["a release", "b suppress cap_reached"]


def test_a_judgement_that_changes_nothing_publishes_nothing() -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    before = person.standing.waiting
    assert person.profile("04:00", locale="de") == []
    assert person.feedback("04:10", "elsewhere", "opened") == []
    assert person.standing.waiting == before
    assert person.run("06:00") == ["m release"]
    assert [one.attempt for one in person.resolutions] == [1, 2]


def test_a_changed_time_is_published_and_counted_as_an_attempt() -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    assert person.profile("04:00", time_zone="America/New_York") == [
        "m defer quiet_hours 12:00:00Z"
    ]
    assert [one.attempt for one in person.resolutions] == [1, 2]
    assert person.run("12:00") == ["m release"]
    assert person.resolutions[-1].decision_id.endswith("-3")


@pytest.mark.parametrize(
    "wake",
    [
        lambda p: p.grant("05:00", purpose="news"),
        lambda p: p.profile("05:00", locale="de"),
        lambda p: p.feedback("05:00", "elsewhere", "opened"),
        lambda p: p.answer("05:00", "other", "approve"),
        lambda p: p.cancel("05:00", message="other"),
        lambda p: p.steer("05:00", "start"),
    ],
    ids=["consent", "profile", "feedback", "review", "cancellation", "control"],
)
def test_an_event_of_the_person_or_a_control_wakes_what_waits(wake: Any) -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    person.policy = waiting().policy
    assert wake(person) == ["m release"]


def test_feedback_that_is_ignored_wakes_nothing() -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00", "a")
    person.policy = waiting().policy
    assert person.feedback("05:00", "a", "complained") == []
    assert person.notes == ["not_released"]
    assert person.run("06:00") == ["a release"]


def test_a_candidate_or_a_repeat_of_one_wakes_nothing() -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00", "a")
    person.policy = waiting().policy
    assert person.candidate("04:00", "b") == ["b release"]
    assert person.happens("04:10", asked("03:00", "a")) == ["a defer quiet_hours 06:00:00Z"]
    assert person.resolutions[-1].repeat


def test_woken_before_its_time_what_lasts_only_a_time_defers() -> None:
    person = waiting(
        caps=[cap(1, "6h", "suppress")], quiet_hours=[{**NIGHTS, "match": {"channel": "push"}}]
    )
    person.candidate("03:00", "a", channel="push")
    person.candidate("03:10", "b")
    assert person.profile("04:00", locale="de") == ["a defer cap_reached 09:10:00Z"]
    assert person.run("09:10") == ["a release"]


def test_woken_before_its_time_what_has_no_time_suppresses() -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00", "a")
    person.candidate("03:00", "b", category="news")
    assert person.consent("04:00", "withdraw") == ["a suppress consent_withdrawn"]


def test_woken_early_the_first_variant_that_has_a_time_decides() -> None:
    person = waiting(
        quiet_hours=[{**NIGHTS, "match": {"channel": "push"}}],
        caps=[cap(1, "6h", "suppress", channel="email")],
    )
    person.candidate("02:00", "x")
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("03:00", "a", variants=variants) == ["a defer quiet_hours 06:00:00Z"]
    assert person.consent("04:00", "withdraw", channel="push") == ["a defer cap_reached 08:00:00Z"]
    assert person.verdict().variant == 1
    assert person.run("08:00") == ["a release"]


def test_at_its_own_time_a_message_is_not_woken_early() -> None:
    person = waiting(caps=[cap(1, "6h", "suppress")], quiet_hours=[NIGHTS])
    person.candidate("03:00", "a", priority=0)
    person.candidate("03:00", "b")
    said = person.profile("06:00", locale="de")
    assert said == ["b release", "a suppress cap_reached"]


def test_what_was_once_in_review_is_judged_again_at_its_deadline_while_it_waits() -> None:
    person = waiting(
        review={"rules": [{"id": "r"}], "deadline": "3h"},
        caps=[cap(1, "12h")],
    )
    person.answer("00:10", "x", "approve")
    person.candidate("01:00", "x")
    assert person.candidate("02:00", "a") == ["a review needs_review"]
    assert person.answer("03:00", "a", "approve") == ["a defer cap_reached 13:00:00Z"]
    assert person.standing.waiting[0].wake_at == at("05:00")
    assert person.run("05:00") == []
    assert person.standing.waiting[0].wake_at == at("13:00")
    assert person.run("13:00") == ["a release"]


# Who goes first.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"priority": 90}, {"priority": 50, "value": 9}),
        ({"value": 0.9}, {"value": 0.1, "created_at": "2026-05-05T01:00:00Z"}),
        ({"created_at": "2026-05-05T01:00:00Z"}, {}),
    ],
)
@pytest.mark.parametrize("first_comes_first", [True, False])
def test_of_several_that_are_due_priority_value_and_age_rank(
    first: dict[str, Any], second: dict[str, Any], *, first_comes_first: bool
) -> None:
    person = waiting(quiet_hours=[NIGHTS], caps=[cap(1, "6h", "suppress")])
    events = [asked("03:00", "z", **first), asked("03:00", "a", **second)]
    person.happens("03:00", *(events if first_comes_first else reversed(events)))
    assert person.run("06:00") == ["z release", "a suppress cap_reached"]


def test_equals_go_by_their_id() -> None:
    person = waiting(quiet_hours=[NIGHTS], caps=[cap(1, "6h", "suppress")])
    person.happens("03:00", asked("03:00", "b"), asked("03:00", "a"), asked("03:00", "c"))
    assert person.run("06:00") == [
        "a release",
        "b suppress cap_reached",
        "c suppress cap_reached",
    ]


def test_what_waits_goes_before_what_is_fresh_and_the_fresh_as_they_came() -> None:
    person = waiting(quiet_hours=[NIGHTS], caps=[cap(2, "6h", "suppress")])
    person.candidate("03:00", "w", priority=0)
    said = person.happens(
        "06:00", asked("06:00", "x", priority=10), asked("06:00", "y", priority=90)
    )
    assert said == ["w release", "x release", "y suppress cap_reached"]


def test_a_message_waits_for_its_own_time_and_not_for_that_of_another() -> None:
    person = waiting()
    person.candidate("01:00", "a", not_before="2026-05-05T03:00:00Z")
    person.candidate("01:00", "b", not_before="2026-05-05T02:00:00Z")
    assert person.run("02:00") == ["b release"]
    assert person.run("02:59:59.999") == []
    assert person.run("03:00") == ["a release"]


def test_ties_of_time_are_judged_in_one_turn_so_that_the_second_sees_the_first() -> None:
    person = waiting(caps=[cap(1, "30m")])
    person.candidate("01:00", "a", not_before="2026-05-05T02:00:00Z")
    person.candidate("01:00", "b", not_before="2026-05-05T02:00:00Z")
    assert person.run("02:00") == ["a release", "b defer cap_reached 02:30:00Z"]
    first, second = person.resolutions[-2:]
    assert second.decided_at == first.decided_at
    assert second.verdict.eligible_at == first.decided_at + 30 * MINUTE


def test_a_category_that_the_policy_no_longer_knows_is_suppressed_when_its_time_comes() -> None:
    person = waiting(quiet_hours=[NIGHTS])
    person.candidate("03:00")
    renamed = {name: entry for name, entry in CATEGORIES.items() if name != "promotional"}
    person.policy = Story(categories=renamed).policy
    assert person.run("06:00") == ["m suppress policy_fault"]
    (finding,) = person.findings()
    assert (finding.rule, finding.observed) == ("validity", "promotional")

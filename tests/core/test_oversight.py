"""Oversight: what the policy wants a human eye on waits for it, and then meets every rule again."""

from __future__ import annotations

import math
from typing import Any

import pytest

from governor.core.rules.oversight import sampled
from tests.core.story import CATEGORIES, Story, asked, variant

NIGHTS = [{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}]


def watched(*rules: dict[str, Any], **sections: Any) -> Story:
    review = {"rules": [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)]}
    review |= sections.pop("review", {})
    person = Story(review=review, **sections)
    person.grant("2026-01-01T00:00")
    return person


def test_a_message_waits_for_its_reviewer_and_goes_when_approved() -> None:
    person = watched({})
    assert person.candidate("10:00") == ["m review needs_review"]
    assert person.verdict().eligible_at is None
    assert person.answer("11:00", "m", "approve") == ["m release"]


def test_a_refusal_is_final() -> None:
    person = watched({})
    person.candidate("10:00")
    assert person.answer("11:00", "m", "refuse") == ["m suppress review_refused"]
    assert person.answer("12:00", "m", "approve", reviewer="bob") == []


@pytest.mark.parametrize(
    ("on_deadline", "said"), [("suppress", "suppress review_expired"), ("release", "release")]
)
def test_without_an_answer_the_deadline_decides_as_the_policy_says(
    on_deadline: str, said: str
) -> None:
    person = watched({}, review={"deadline": "3h", "on_deadline": on_deadline})
    person.candidate("10:00")
    assert person.run("12:59:59.999") == []
    assert person.run("13:00") == [f"m {said}"]


def test_an_answer_at_the_deadlines_own_instant_counts_and_a_later_one_does_not() -> None:
    person = watched({}, review={"deadline": "3h"})
    person.candidate("10:00")
    assert person.answer("13:00", "m", "approve") == ["m release"]
    person = watched({}, review={"deadline": "3h"})
    person.candidate("10:00")
    assert person.answer("13:00:00.001", "m", "approve") == ["m suppress review_expired"]


def test_the_deadline_runs_from_the_first_decision_with_outcome_review() -> None:
    person = watched({}, review={"deadline": "3h"})
    person.steer("09:00", "pause")
    assert person.candidate("10:00") == ["m review needs_review"]
    person.consent("11:00", "pause", until="2026-05-05T12:30:00Z")
    assert person.steer("12:00", "resume") == []
    assert person.run("13:00") == ["m suppress review_expired"]
    late = watched({"when": {"channel": "push"}}, review={"deadline": "3h"}, quiet_hours=NIGHTS)
    variants = [variant("loud", "push")]
    assert late.candidate("03:00", variants=variants) == ["m review needs_review"]
    assert late.run("06:00") == ["m suppress review_expired"]


def test_an_early_answer_is_kept_until_the_message_comes() -> None:
    person = watched({})
    person.answer("08:00", "m", "approve")
    assert person.candidate("10:00") == ["m release"]
    person.answer("08:00", "n", "refuse")
    assert person.candidate("10:00", "n") == ["n suppress review_refused"]


def test_an_answer_and_its_message_at_one_instant_meet() -> None:
    person = watched({})
    answer = {"id": "r", "message": "m", "person": "p-42", "reviewer": "ann", "answer": "approve"}
    answer |= {"at": "2026-05-05T10:00:00Z"}
    assert person.happens("10:00", asked("10:00"), ("review", answer)) == ["m release"]


def test_two_different_reviewers_must_approve_and_the_first_answer_of_each_counts() -> None:
    person = watched({"reviewers": 2})
    person.candidate("10:00")
    assert person.answer("11:00", "m", "approve") == []
    assert person.answer("11:10", "m", "approve") == []
    assert person.answer("11:20", "m", "refuse") == []
    assert person.answer("11:30", "m", "approve", reviewer="bob") == ["m release"]


def test_a_second_reviewer_may_still_refuse() -> None:
    person = watched({"reviewers": 2})
    person.candidate("10:00")
    person.answer("11:00", "m", "approve")
    assert person.answer("11:30", "m", "refuse", reviewer="bob") == ["m suppress review_refused"]


def test_reviewers_are_asked_for_rule_by_rule() -> None:
    person = watched({"reviewers": 2}, {"when": {"channel": "email"}})
    person.candidate("10:00")
    assert person.answer("11:00", "m", "approve") == []
    one, other = [f for f in person.findings() if f.rule == "oversight"]
    assert (one.limit, other.limit) == (2, 1)
    assert person.answer("12:00", "m", "approve", reviewer="bob") == ["m release"]


def test_an_approval_may_be_for_one_variant_alone() -> None:
    person = watched({})
    variants = [variant("loud", "push"), variant("quiet", "email")]
    person.candidate("10:00", variants=variants)
    assert person.answer("11:00", "m", "approve", variant="quiet") == ["m release"]
    assert person.verdict().variant == 1


def test_a_refusal_of_one_variant_holds_for_the_whole_message() -> None:
    person = watched({"when": {"channel": "push"}})
    variants = [variant("loud", "push"), variant("quiet", "email")]
    person.answer("09:00", "m", "refuse", variant="loud")
    assert person.candidate("10:00", variants=variants) == ["m suppress review_refused"]
    assert person.verdict().variant == 0


def test_where_no_rule_asks_for_it_an_answer_has_no_effect() -> None:
    person = watched({"when": {"channel": "push"}})
    person.answer("09:00", "m", "refuse")
    assert person.candidate("10:00") == ["m release"]


def test_a_variant_that_needs_no_review_goes_before_one_that_does() -> None:
    person = watched({"when": {"channel": "push"}})
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("10:00", variants=variants) == ["m release"]
    assert person.verdict().variant == 1


def test_deferring_goes_before_review_and_the_review_comes_with_its_time() -> None:
    person = watched(
        {"when": {"channel": "push"}}, quiet_hours=[{**NIGHTS[0], "match": {"channel": "email"}}]
    )
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("03:00", variants=variants) == ["m defer quiet_hours 06:00:00Z"]
    assert person.run("06:00") == ["m release"]


def test_an_approved_message_meets_every_rule_again() -> None:
    person = watched({}, quiet_hours=[{**NIGHTS[0], "outside": "suppress"}])
    person.candidate("18:00", "a")
    assert person.answer("20:00", "a", "approve") == ["a defer quiet_hours 2026-05-06T06:00:00Z"]
    assert person.run("06T06:00") == ["a release"]
    person.candidate("07T10:00", "b")
    person.consent("07T11:00", "withdraw")
    assert person.answer("07T12:00", "b", "approve") == []
    assert person.resolutions[-1].verdict.code == "consent_withdrawn"


def test_a_refusal_counts_as_long_as_the_message_waits_also_after_an_approval() -> None:
    person = watched({}, quiet_hours=NIGHTS)
    person.candidate("03:00")
    assert person.answer("04:00", "m", "approve") == ["m defer quiet_hours 06:00:00Z"]
    assert person.answer("05:00", "m", "refuse", reviewer="bob") == ["m suppress review_refused"]


def test_a_message_in_review_that_could_never_go_is_suppressed_at_once() -> None:
    person = watched({}, caps=[{"id": "never", "limit": 0, "window": "1h"}])
    assert person.candidate("10:00") == ["m suppress cap_reached"]


def test_a_message_in_review_expires_like_any_other() -> None:
    person = watched({})
    person.candidate("10:00", expires_at="2026-05-05T12:00:00Z")
    assert person.run("12:00") == ["m suppress expired"]


def test_a_category_that_skips_oversight_is_not_looked_at() -> None:
    free = {**CATEGORIES, "code": {**CATEGORIES["service"], "skips": ["oversight"]}}
    person = watched({}, categories=free)
    assert person.candidate("10:00", category="code") == ["m release"]


def test_a_review_rule_in_shadow_is_shown_and_holds_nothing_back() -> None:
    person = watched({}, modes={"oversight.r0": "shadow"})
    assert person.candidate("10:00") == ["m release"]
    finding = person.finding("oversight", "r0")
    assert (finding.outcome.name, finding.code, finding.enforced) == (
        "REVIEW",
        "needs_review",
        False,
    )


@pytest.mark.parametrize(
    ("share", "names"),
    [
        (0.0, []),
        # The fractions of the four are 0.6341, 0.6421, 0.5425 and 0.4158.
        (0.5, ["m-3"]),
        (0.6, ["m-2", "m-3"]),
        (1.0, ["m-0", "m-1", "m-2", "m-3"]),
    ],
)
def test_a_sample_is_taken_by_the_hash_of_the_message(share: float, names: list[str]) -> None:
    taken = [f"m-{number}" for number in range(4) if sampled(f"m-{number}", share)]
    assert taken == names
    person = watched({"sample": share})
    for number in range(4):
        (said,) = person.candidate("10:00", f"m-{number}")
        assert ("review" in said) == (f"m-{number}" in names)


def test_the_fraction_is_the_first_eight_bytes_of_sha_256_and_must_fall_below_the_share() -> None:
    fraction = 0x2CF24DBA5FB0A30E / 2**64  # of `hello`
    assert not sampled("hello", fraction)
    assert sampled("hello", math.nextafter(fraction, 1))

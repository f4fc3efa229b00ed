"""The policy as a value: what each entry means once it is read."""

from typing import Any

import pytest
from pydantic import ValidationError

from governor.core.instant import DAY, HOUR, MINUTE, SECOND
from governor.core.policy import Policy


def policy(**sections: Any) -> Policy:
    categories = {"promotional": {"purpose": "marketing"}}
    return Policy.model_validate({"version": 1, "categories": categories, **sections})


def flaws(**sections: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        policy(**sections)
    return [error["msg"] for error in refused.value.errors()]


def test_a_small_policy_has_the_documented_defaults() -> None:
    read = policy()
    category = read.categories["promotional"]
    assert (category.basis, category.skips, category.counts) == (("consent",), frozenset(), True)
    assert (read.defaults.expires_after, read.defaults.time_zone) == (7 * DAY, None)
    assert (read.retention.verdicts, read.retention.history) == (72 * HOUR, 180 * DAY)
    assert (read.caps, read.quiet_hours, read.review.rules) == ((), (), ())
    assert (read.review.deadline, read.review.on_deadline) == (DAY, "suppress")
    assert read.unavailable.ledger == "hold"
    assert [read.intrusiveness, read.personal_data, read.persuasion, read.fairness] == [None] * 4


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", 30 * SECOND), ("15m", 15 * MINUTE), ("24h", DAY), ("7d", 7 * DAY), ("1s", SECOND)],
)
def test_a_duration_is_kept_in_milliseconds(text: str, length: int) -> None:
    assert policy(defaults={"expires_after": text}).defaults.expires_after == length


@pytest.mark.parametrize("text", [24, 1.5, "1", "1.5h", "-1h", "1 h", "1w", "", True, ["1h"]])
def test_what_is_no_duration_is_refused(text: object) -> None:
    (message,) = flaws(defaults={"expires_after": text})
    assert "is no duration" in message


@pytest.mark.parametrize(
    ("text", "kind", "ms", "longest"),
    [
        ("24h", "rolling", DAY, DAY),
        ("calendar hour", "hour", 0, HOUR),
        ("calendar day", "day", 0, DAY),
        ("calendar week", "week", 0, 7 * DAY),
        ("calendar month", "month", 0, 31 * DAY),
    ],
)
def test_a_window_keeps_its_kind_and_its_words(text: str, kind: str, ms: int, longest: int) -> None:
    window = policy(caps=[{"id": "a", "limit": 0, "window": text}]).caps[0].window
    assert window is not None
    assert (window.kind, window.ms, window.text, window.longest) == (kind, ms, text, longest)


@pytest.mark.parametrize(
    ("match", "accepted"),
    [
        ({}, True),
        ({"channel": "sms"}, True),
        ({"channel": ["push", "sms"]}, True),
        ({"channel": "push"}, False),
        ({"category": "promotional", "campaign": "spring"}, True),
        ({"category": "promotional", "campaign": "autumn"}, False),
        ({"topic": "shoes"}, False),
    ],
)
def test_a_match_holds_where_each_of_its_keys_does(
    match: dict[str, Any], *, accepted: bool
) -> None:
    cap = policy(caps=[{"id": "a", "match": match, "min_gap": "1h"}]).caps[0]
    assert cap.match.accepts("promotional", "spring", "sms", None) is accepted


def test_an_absent_match_accepts_everything() -> None:
    cap = policy(caps=[{"id": "a", "min_gap": "1h"}]).caps[0]
    assert cap.match.accepts("any", "thing", "at", "all")


@pytest.mark.parametrize(
    ("basis", "contractual", "asserted"),
    [
        ("consent", False, False),
        (["consent", "soft_opt_in"], False, False),
        ("legitimate_interest", False, True),
        (["consent", "contract"], True, True),
        ("legal_obligation", True, True),
    ],
)
def test_a_basis_says_whether_a_grant_is_needed(
    basis: object, *, contractual: bool, asserted: bool
) -> None:
    category = policy(categories={"a": {"purpose": "b", "basis": basis}}).categories["a"]
    assert (category.contractual, category.asserted) == (contractual, asserted)


@pytest.mark.parametrize(
    ("modes", "enforced"),
    [
        ({}, True),
        ({"caps": "shadow"}, False),
        ({"caps.a.b": "shadow"}, False),
        ({"caps": "shadow", "caps.a.b": "enforce"}, True),
        ({"caps": "enforce", "caps.a.b": "shadow"}, False),
        ({"caps.c": "shadow", "quiet_hours": "shadow"}, True),
    ],
)
def test_the_mode_of_an_entry_goes_before_that_of_its_rule(
    modes: dict[str, str], *, enforced: bool
) -> None:
    read = policy(caps=[{"id": i, "min_gap": "1h"} for i in ("a.b", "c")], modes=modes)
    assert read.modes.enforced("caps", "a.b") is enforced


def test_a_mode_may_name_what_governor_itself_counts() -> None:
    quota = {"limit": 1, "window": "1h"}
    read = policy(
        categories={"a": {"purpose": "b", "quota": quota}},
        review={"rules": [{"id": "look"}]},
        modes={"caps.quota": "shadow", "caps.comfort": "shadow", "oversight.look": "shadow"},
    )
    assert not read.modes.enforced("caps", "quota")
    assert policy(modes={"caps.quota": "shadow"}).modes.enforced("caps", "comfort")
    assert flaws(modes={"caps.weekly": "shadow"}) == [
        "`weekly` is no id of `caps`, known: `comfort`, `quota`"
    ]


@pytest.mark.parametrize("rule", ["consent", "validity", "control", "consent.marketing"])
def test_what_protects_the_person_has_no_mode(rule: str) -> None:
    (message,) = flaws(modes={rule: "shadow"})
    assert "is always enforced" in message


def test_the_channels_are_the_known_and_those_that_the_policy_names() -> None:
    assert len(policy().channels) == 8
    weighed = policy(intrusiveness={"channels": {"pigeon": 0.1}})
    assert weighed.channels - policy().channels == {"pigeon"}
    rules = [{"id": "a", "when": {"channel": ["fax"]}}]
    assert "fax" in policy(review={"rules": rules}).channels


def test_the_revision_does_not_tell_a_default_that_is_spelt_out() -> None:
    assert policy().revision == policy(defaults={"expires_after": "7d"}, caps=[]).revision
    match = {"channel": ["sms", "push", "call", "email"]}
    other = {"channel": ["email", "call", "push", "sms"]}
    one, two = ({"id": "a", "match": m, "min_gap": "1h"} for m in (match, other))
    assert policy(caps=[one]).revision == policy(caps=[two]).revision


@pytest.mark.parametrize(
    "sections",
    [
        {"defaults": {"expires_after": "6d"}},
        {"caps": [{"id": "a", "min_gap": "1h"}]},
        {"modes": {"caps": "shadow"}},
        {"categories": {"promotional": {"purpose": "ads"}}},
    ],
)
def test_the_revision_changes_with_what_the_policy_says(sections: dict[str, Any]) -> None:
    assert policy(**sections).revision != policy().revision


def test_nobody_changes_a_policy() -> None:
    read = policy(caps=[{"id": "a", "limit": 1, "window": "1h"}])
    with pytest.raises(ValidationError):
        read.version = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        read.caps[0].limit = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "cap",
    [
        {},
        {"limit": 1},
        {"limit": None, "window": "1h"},
        {"limit": True, "window": "1h"},
        {"limit": 1, "window": "1h", "min_gap": "1h"},
        {"min_gap": "1h", "window": "1h"},
        {"silence_after": "refuse"},
        {"silence_after": "refuse", "window": "calendar day"},
        {"silence_after": "refuse", "window": "1h", "per": ["person", "topic"]},
        {"limit": 1, "window": "1h", "per": []},
        {"limit": 1, "window": "1h", "per": ["campaign"]},
        {"min_gap": "1h", "reserve": {"priority_at_least": 90, "slots": 1}},
    ],
)
def test_a_cap_has_exactly_one_measure_with_what_it_needs(cap: dict[str, Any]) -> None:
    assert flaws(caps=[{"id": "a", **cap}])


def test_a_quota_a_budget_and_a_repeat_reach_no_further_than_the_history() -> None:
    messages = flaws(
        retention={"history": "1d"},
        categories={"a": {"purpose": "b", "quota": {"limit": 1, "window": "2d"}}},
        persuasion={"budget": {"limit": 1, "window": "3d"}},
        intrusiveness={},
    )
    assert [message.split()[0] for message in messages] == ["`2d`", "`3d`", "`7d`"]

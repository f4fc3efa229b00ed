"""Persuasion: no false urgency, not too much pressing, none towards the vulnerable."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.verdict import Outcome
from tests.core.story import CATEGORIES, Story, variant

TOMORROW = "2026-05-06T20:00:00Z"
LATER = "2026-05-07T20:00:00Z"


def story(persuasion: dict[str, Any], **sections: Any) -> Story:
    made = Story(persuasion=persuasion, **sections)
    made.grant("00:00")
    return made


def asks(
    made: Story,
    *techniques: str,
    ends: str | None = None,
    when: str = "10:00",
    id: str | None = None,
    **data: Any,
) -> str:
    name = id or f"m{len(made.resolutions)}"
    pressing = variant("v", techniques=[*techniques], offer_ends_at=ends)
    (said,) = made.candidate(when, name, variants=[pressing], **data)
    return said.removeprefix(f"{name} ")


URGENCY = {"urgency": {"needs": "offer_ends_at"}}


@pytest.mark.parametrize("technique", ["urgency", "scarcity"])
def test_a_hurry_needs_an_end_that_lies_ahead(technique: str) -> None:
    false = "suppress false_urgency"
    assert asks(story(URGENCY), technique) == false
    assert asks(story(URGENCY), technique, ends="2026-05-05T10:00:00Z") == false
    assert asks(story(URGENCY), technique, ends="2026-05-05T10:00:00.001Z") == "release"
    assert asks(story(URGENCY), "social_proof", technique, ends=TOMORROW) == "release"


def test_another_technique_needs_no_end_and_no_technique_none_either() -> None:
    made = story(URGENCY)
    assert asks(made, "social_proof") == "release"
    assert asks(made) == "release"
    assert not [finding for finding in made.findings() if finding.rule == "persuasion"]


def test_an_offer_ends_when_its_first_message_to_this_person_said() -> None:
    made = story(URGENCY)
    assert asks(made, "urgency", ends=TOMORROW) == "release"
    assert asks(made, "scarcity", ends=LATER) == "suppress false_urgency"
    found = made.finding("persuasion", "urgency")
    assert (found.limit, found.observed) == (
        "2026-05-06T20:00:00.000Z",
        "2026-05-07T20:00:00.000Z",
    )
    assert found.eligible_at is None
    assert asks(made, "urgency", ends=TOMORROW) == "release"
    assert asks(made, "urgency", ends=LATER, campaign="summer") == "release"
    assert asks(made, "social_proof", ends=LATER) == "release"


def test_the_first_offer_counts_also_when_it_bounced_and_one_that_did_not_hurry_does_not() -> None:
    made = story(URGENCY)
    asks(made, "social_proof", ends=LATER, id="a")
    asks(made, "urgency", ends=TOMORROW, id="b")
    made.feedback("10:01", "b", "bounced")
    assert asks(made, "urgency", ends=LATER, when="10:02") == "suppress false_urgency"


def test_a_hurry_that_waits_past_its_end_is_false_by_then() -> None:
    hours = [{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}]
    made = story(URGENCY, quiet_hours=hours)
    ends = "2026-05-05T06:00:00Z"
    assert asks(made, "urgency", ends=ends, when="05:00") == "suppress quiet_hours"
    made = story(URGENCY, quiet_hours=hours)
    ends = "2026-05-05T06:00:01Z"
    assert asks(made, "urgency", ends=ends, when="05:00") == "defer quiet_hours 06:00:00Z"
    assert made.run("07:00") == ["m0 release"]


BUDGET = {"budget": {"limit": 2, "window": "7d"}}


def test_pressing_messages_are_counted_over_all_techniques_in_a_rolling_window() -> None:
    made = story(BUDGET)
    assert asks(made, "urgency", when="04T10:00") == "release"
    assert asks(made, "social_proof", when="05T10:00:00.500") == "release"
    assert asks(made, when="05T11:00") == "release"
    assert asks(made, "reciprocity", when="05T11:00", expires_at="2026-06-01T00:00:00Z") == (
        "defer pressure_budget 2026-05-11T10:00:00Z"
    )
    found = made.finding("persuasion", "budget")
    assert (found.limit, found.observed, found.window) == (2, 2, "7d")
    assert found.eligible_at is not None
    assert made.run("30T00:00") == ["m3 release"]


def test_a_pressing_message_that_bounced_is_not_counted_and_an_uncounted_category_is() -> None:
    silent = {"silent": {"purpose": "silence", "basis": ["contract"], "counts": False}}
    made = story({"budget": {"limit": 1, "window": "90m"}}, categories=CATEGORIES | silent)
    asks(made, "urgency", id="a")
    made.feedback("10:01", "a", "bounced")
    assert asks(made, "urgency", when="10:02", category="silent") == "release"
    assert asks(made, "urgency", when="10:03") == "defer pressure_budget 11:32:00Z"
    assert made.finding("persuasion", "budget").window == "90m"


def test_a_budget_of_nothing_lets_nothing_pressing_through() -> None:
    made = story({"budget": {"limit": 0, "window": "7d"}})
    assert asks(made, "urgency") == "suppress pressure_budget"
    assert asks(made) == "release"


def test_a_lowered_limit_waits_until_enough_have_left_the_window() -> None:
    made = story({"budget": {"limit": 3, "window": "2h"}})
    for minute in ("00", "10", "20"):
        asks(made, "urgency", when=f"10:{minute}")
    made.policy = story({"budget": {"limit": 1, "window": "2h"}}).policy
    assert asks(made, "urgency", when="10:30") == "defer pressure_budget 12:20:00Z"


VULNERABLE = {"vulnerable": ["debt", "illness"]}


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({}, "release"),
        ({"vulnerabilities": ["debt"]}, "suppress vulnerable"),
        ({"vulnerabilities": ["gambling", "illness"]}, "suppress vulnerable"),
        ({"vulnerabilities": ["gambling"]}, "release"),
        ({"minor": True}, "suppress vulnerable"),
        ({"born": "2010-01-01"}, "suppress vulnerable"),
        ({"born": "2000-01-01", "minor": False}, "release"),
    ],
)
def test_the_vulnerable_and_minors_are_not_pressed(profile: dict[str, Any], said: str) -> None:
    made = story(VULNERABLE)
    made.profile("09:00", **profile)
    assert asks(made, "social_proof") == said
    assert asks(made) == "release"


def test_a_finding_says_nothing_of_which_vulnerability_it_is() -> None:
    made = story(VULNERABLE)
    made.profile("09:00", vulnerabilities=["debt"])
    asks(made, "urgency")
    assert made.finding("persuasion", "vulnerable").observed == "vulnerability"
    made.profile("11:00", vulnerabilities=["debt"], minor=True)
    asks(made, "urgency", when="11:01")
    assert made.finding("persuasion", "vulnerable").observed == "minor"


def test_an_empty_list_leaves_minors_alone_too() -> None:
    made = story({"vulnerable": []})
    made.profile("09:00", minor=True)
    assert asks(made, "urgency") == "suppress vulnerable"


def test_a_part_that_is_not_there_holds_nothing_back() -> None:
    made = story({})
    made.profile("09:00", minor=True)
    assert asks(made, "urgency") == "release"
    assert not [finding for finding in made.findings() if finding.rule == "persuasion"]


def test_all_parts_speak_in_their_order() -> None:
    made = story(URGENCY | {"budget": {"limit": 0, "window": "1d"}} | VULNERABLE)
    made.profile("09:00", minor=True)
    assert asks(made, "urgency") == "suppress false_urgency"
    found = [finding for finding in made.findings() if finding.rule == "persuasion"]
    assert [(finding.id, finding.code) for finding in found] == [
        ("urgency", "false_urgency"),
        ("budget", "pressure_budget"),
        ("vulnerable", "vulnerable"),
    ]


def test_a_category_may_skip_the_rule_and_a_mode_may_only_watch_a_part() -> None:
    exempt = {"promotional": {**CATEGORIES["promotional"], "skips": ["persuasion"]}}
    assert asks(story(URGENCY, categories=exempt), "urgency") == "release"
    made = story(URGENCY, modes={"persuasion.urgency": "shadow"})
    assert asks(made, "urgency") == "release"
    assert made.finding("persuasion", "urgency").outcome is Outcome.SUPPRESS


def test_a_variant_that_does_not_press_goes_instead() -> None:
    made = story(VULNERABLE)
    made.profile("09:00", minor=True)
    variants = [variant("hot", techniques=["urgency"]), variant("calm")]
    assert made.candidate("10:00", variants=variants) == ["m release"]
    assert made.verdict().variant == 1

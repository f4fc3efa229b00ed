"""A person may have what was learned about them forgotten, from a moment on."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.about import about
from governor.core.comfort import factor_of
from governor.core.policy import Intrusiveness
from governor.core.standing import ControlState
from tests.core.story import PERSON, Story, at, policy

SECTION = Intrusiveness()


def person() -> Story:
    return Story(intrusiveness={"ceiling": 60})


def factor(story: Story, when: str = "20:00") -> float:
    return round(factor_of(SECTION, story.standing, at(when)), 3)


def reset(story: Story, when: str, said: str | None = None) -> None:
    data = {"id": "c", "person": PERSON, "at": f"2026-05-05T{said or when}:00Z"}
    story.happens(when, ("consent", {**data, "action": "comfort_reset"}))


def test_a_reset_forgets_what_was_learned_until_then() -> None:
    story = person()
    story.feedback("10:00", "x", "complained")
    assert factor(story, "10:00") == 0.5
    reset(story, "11:00")
    assert factor(story) == 1.0
    story.feedback("12:00", "x", "too_much")
    assert factor(story, "12:00") == 0.7


def test_what_happened_before_it_and_arrives_later_teaches_nothing() -> None:
    story = person()
    reset(story, "11:00")
    late = {"id": "f", "message": "x", "person": PERSON, "at": "2026-05-05T10:00:00Z"}
    story.happens("12:00", ("feedback", {**late, "kind": "complained"}))
    assert factor(story) == 1.0


def test_a_reset_that_arrives_late_keeps_what_was_heard_since() -> None:
    story = person()
    story.feedback("10:00", "x", "complained")
    story.feedback("12:00", "x", "too_much")
    reset(story, "13:00", said="11:00")
    assert factor(story, "12:00") == 0.7
    reset(story, "14:00", said="09:00")
    assert factor(story, "12:00") == 0.7


def test_it_needs_no_purpose_and_takes_no_other() -> None:
    story = person()
    reset(story, "10:00")
    assert [(one.action, one.purpose) for one in story.standing.consents] == [
        ("comfort_reset", "*")
    ]
    with pytest.raises(Exception, match="leave it out"):
        story.consent("11:00", "comfort_reset")


def test_a_reset_that_lies_ahead_is_refused_because_it_loosens() -> None:
    with pytest.raises(Exception, match="more than 5 minutes ahead"):
        reset(person(), "10:00", said="10:06")


def test_it_changes_nothing_else_that_the_person_said() -> None:
    story = person()
    story.grant("09:00")
    story.feedback("10:00", "x", "complained")
    reset(story, "11:00")
    assert story.candidate("12:00", "m") == ["m suppress consent_withdrawn"]


def test_what_is_known_is_told_in_values() -> None:
    sections: dict[str, Any] = {
        "intrusiveness": {"ceiling": 60},
        "caps": [{"id": "c", "limit": 9, "window": "2d"}],
    }
    story = Story(**sections)
    story.profile("08:00", comfort={"level": "high", "max_per_week": 3})
    story.grant("09:00", expires_at="2026-05-20T00:00:00Z")
    story.consent("09:30", "withdraw", channel="sms")
    story.consent("09:40", "pause", purpose="news", until="2026-05-06T00:00:00Z")
    story.candidate("10:00", "a")
    story.candidate("10:05", "b")
    story.feedback("10:30", "b", "bounced")
    story.feedback("11:00", "a", "too_much")
    known = about(policy(**sections), story.standing, ControlState(), at("12:00"))
    permissions = {(one.purpose, one.channel): one for one in known.permissions}
    assert permissions["marketing", None].state == "granted"
    assert permissions["marketing", None].expires_at == at("20T00:00")
    assert permissions["marketing", "sms"].state == "withdrawn"
    assert permissions["news", None].state == "none"
    assert permissions["news", None].paused_until == at("06T00:00")
    assert (known.comfort.level, known.comfort.max_per_week) == ("high", 3)
    assert (round(known.comfort.factor, 2), round(known.comfort.ceiling or 0)) == (0.7, 56)
    assert [one.kind for one in known.comfort.because] == ["too_much"]
    until = known.comfort.matters_until
    assert until is not None
    assert abs(factor_of(SECTION, story.standing, until) - 1) == pytest.approx(0.01, rel=0.01)
    counts = {one.window // 86_400_000: (one.sent, one.returned) for one in known.sent}
    assert counts == {1: (1, 1), 2: (1, 1), 7: (1, 1), 30: (1, 1), 180: (1, 1)}

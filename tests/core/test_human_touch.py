"""Who has had enough of the machine, or has spoken up, hears from a human first."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from governor.core.human_touch import unanswered
from governor.core.policy import HumanTouch
from governor.core.resolution import Handover
from governor.core.standing import STRANGER, Entry, Heard
from governor.core.turn import Turn
from tests.core.story import PERSON, Story, arrived, asked, at, heard, policy

AFTER_TWO = {"messages": 2, "hold": ["promotional"]}
AFTER_WORDS = {"signals": ["too_much", "replied"], "hold": ["promotional"]}
NEVER = {"id": "never", "limit": 0, "window": "24h", "at_cap": "defer"}


def touched(section: dict[str, Any], **sections: Any) -> Story:
    person = Story(human_touch=section, **sections)
    person.grant()
    return person


def told(person: Story) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(one.why, one.message, one.campaign, one.channel) for one in person.handovers]


# When it holds, and what ends it.


def test_after_so_many_messages_the_named_categories_wait_for_a_human() -> None:
    person = touched(AFTER_TWO)
    assert person.candidate("10:00", "a") == ["a release"]
    assert person.candidate("11:00", "b") == ["b release"]
    assert person.candidate("12:00", "c") == ["c defer needs_human"]
    found = person.finding("human_touch", "messages")
    assert (found.limit, found.observed, found.eligible_at) == (2, 2, None)
    assert person.candidate("12:30", "d", category="news") == ["d release"]
    assert person.feedback("13:00", "b", "human_contacted") == ["c release"]


@pytest.mark.parametrize("kind", ["too_much", "replied"])
def test_a_signal_holds_until_a_human_was_in_touch(kind: str) -> None:
    person = touched(AFTER_WORDS)
    person.candidate("10:00", "a")
    person.feedback("11:00", "a", kind)
    assert person.candidate("12:00", "b") == ["b defer needs_human"]
    assert person.finding("human_touch", "signals").observed == kind
    assert person.feedback("12:30", "a", "opened") == []
    assert person.feedback("13:00", "unheard-of", "human_contacted") == ["b release"]


def test_what_the_policy_does_not_name_holds_nothing() -> None:
    person = touched(AFTER_WORDS)
    person.candidate("10:00", "a")
    person.feedback("11:00", "a", "dismissed")
    person.feedback("11:30", "a", "opened")
    assert person.candidate("12:00", "b") == ["b release"]


def test_what_happens_at_the_moment_of_the_contact_counts_as_after_it() -> None:
    person = touched(AFTER_WORDS)
    person.feedback("10:00", "x", "human_contacted")
    person.feedback("10:00", "x", "replied")
    assert person.candidate("11:00", "a") == ["a defer needs_human"]
    section = policy(human_touch=AFTER_TWO)
    log = tuple(Entry(n, at("10:00") + n, "promotional", 1, "email") for n in range(3))
    contacted = (Heard("human_contacted", None, at("10:00") + 1),)
    standing = replace(STRANGER, log=log, heard=contacted)
    assert [one.message for one in unanswered(section, standing, at("11:00"))] == [1, 2]


def test_a_contact_that_is_told_late_answers_only_what_came_before_it() -> None:
    person = touched(AFTER_WORDS)
    person.feedback("10:00", "x", "replied")
    contact = {"id": "f", "message": "x", "person": PERSON, "at": "2026-05-05T09:00:00Z"}
    person.happens("11:00", ("feedback", {**contact, "kind": "human_contacted"}))
    assert person.candidate("12:00", "a") == ["a defer needs_human"]


def test_what_failed_and_what_counts_for_nothing_is_no_message() -> None:
    categories = {
        "promotional": {"purpose": "marketing"},
        "code": {"purpose": "contract", "basis": ["contract"], "counts": False},
    }
    person = touched(AFTER_TWO, categories=categories)
    person.candidate("10:00", "a")
    person.candidate("10:10", "b", category="code")
    person.candidate("10:20", "c")
    person.feedback("10:30", "c", "bounced")
    assert person.candidate("11:00", "d") == ["d release"]
    assert person.candidate("12:00", "e") == ["e defer needs_human"]


def test_what_is_older_than_the_history_is_forgotten() -> None:
    kept = {"verdicts": "24h", "history": "10d"}
    for forgets in (True, False):
        person = Story(human_touch={**AFTER_TWO, "messages": 1}, retention=kept, forgets=forgets)
        person.grant()
        person.candidate("10:00", "a")
        assert person.candidate("15T09:59:59.999", "b") == ["b defer needs_human"]
        assert person.candidate("15T10:00", "c") == ["c release"]


# What becomes of what is held.


@pytest.mark.parametrize(
    ("then", "words"),
    [("suppress", ["b suppress needs_human"]), ("review", ["b review needs_human"])],
)
def test_what_is_held_may_also_be_dropped_or_shown_to_a_reviewer(
    then: str, words: list[str]
) -> None:
    person = touched({**AFTER_WORDS, "then": then})
    person.feedback("10:00", "x", "replied")
    assert person.candidate("11:00", "b") == words
    assert person.answer("12:00", "b", "approve") == (["b release"] if then == "review" else [])


def test_what_nobody_looks_at_ends_with_the_deadline_and_what_waits_with_its_own_end() -> None:
    person = touched({**AFTER_WORDS, "then": "review"}, review={"deadline": "2h"})
    person.feedback("10:00", "x", "replied")
    person.candidate("11:00", "b")
    assert person.run("13:00") == ["b suppress review_expired"]
    person = touched(AFTER_WORDS)
    person.feedback("10:00", "x", "replied")
    person.candidate("11:00", "b", expires_at="2026-05-05T18:00:00Z")
    assert person.run("18:00") == ["b suppress expired"]


def test_it_is_named_last_after_every_other_rule() -> None:
    person = touched(AFTER_WORDS, caps=[{**NEVER, "limit": 1, "at_cap": "defer"}])
    person.candidate("10:00", "a")
    person.feedback("11:00", "a", "replied")
    assert person.candidate("12:00", "b") == ["b defer cap_reached"]
    assert person.findings()[-1].rule == "human_touch"


def test_waiting_for_a_human_does_not_save_what_could_never_go() -> None:
    person = touched(AFTER_WORDS, caps=[NEVER])
    assert person.candidate("09:00", "a") == ["a suppress cap_reached"]
    person.feedback("10:00", "x", "replied")
    assert person.candidate("11:00", "b") == ["b suppress cap_reached"]


def test_in_shadow_it_is_shown_and_changes_nothing() -> None:
    person = touched(AFTER_WORDS, modes={"human_touch": "shadow"})
    person.feedback("10:00", "x", "replied")
    assert person.candidate("11:00", "b") == ["b release"]
    found = person.finding("human_touch", "signals")
    assert (found.code, found.enforced) == ("needs_human", False)


# Handing over.


def test_who_spoke_up_is_handed_over_at_once_and_only_once() -> None:
    person = touched(AFTER_WORDS)
    person.candidate("10:00", "a", channel="push")
    person.feedback("11:00", "a", "too_much")
    assert told(person) == [("too_much", "a", None, "push")]
    person.feedback("12:00", "a", "replied")
    person.candidate("13:00", "b")
    person.profile("14:00")
    assert len(person.handovers) == 1
    assert person.handovers[0].since == at("11:00")


def test_the_message_that_was_one_too_many_hands_over() -> None:
    person = touched(AFTER_TWO)
    person.candidate("10:00", "a")
    assert told(person) == []
    person.candidate("11:00", "b", campaign="autumn")
    assert told(person) == [("messages", "b", "autumn", "email")]


def test_after_a_human_contact_the_next_need_is_handed_over_anew() -> None:
    person = touched(AFTER_WORDS)
    person.feedback("10:00", "x", "replied")
    person.feedback("11:00", "x", "human_contacted")
    person.feedback("12:00", "y", "too_much")
    assert [(one.why, one.message) for one in person.handovers] == [
        ("replied", "x"),
        ("too_much", "y"),
    ]
    assert len({one.id for one in person.handovers}) == 2


def test_a_need_that_is_older_than_the_rule_is_handed_over_with_what_it_holds_first() -> None:
    person = touched(AFTER_WORDS)
    person.policy = policy()
    person.feedback("10:00", "x", "replied")
    assert told(person) == []
    person.policy = policy(human_touch=AFTER_WORDS)
    person.profile("11:00")
    assert told(person) == []
    person.candidate("12:00", "b")
    assert told(person) == [("replied", None, None, None)]
    assert person.handovers[0].since == at("10:00")


def test_in_shadow_it_is_counted_and_told_for_real_once_it_is_enforced() -> None:
    person = touched(AFTER_WORDS, modes={"human_touch.signals": "shadow"})
    person.feedback("10:00", "x", "replied")
    person.candidate("11:00", "a")
    assert [one.shadow for one in person.handovers] == [True]
    person.policy = policy(human_touch=AFTER_WORDS)
    person.candidate("12:00", "b")
    assert [one.shadow for one in person.handovers] == [True, False]


def again(first: Handover) -> Handover:
    return replace(first, repeat=True)


def test_what_is_read_again_is_told_again_under_the_same_id() -> None:
    person = touched({**AFTER_WORDS, **AFTER_TWO})
    person.candidate("10:00", "a", channel="push")
    said = {"id": "f", "message": "a", "person": PERSON, "at": "2026-05-05T11:00:00Z"}
    event = ("feedback", {**said, "kind": "replied"})
    for _ in range(2):
        person.take(Turn(PERSON, at("11:00"), (heard(person, "11:00", event),), due=True))
    [first, second] = person.handovers
    assert second == again(first)
    person.feedback("12:00", "a", "opened")
    assert len(person.handovers) == 2


@pytest.mark.parametrize("event", [asked("11:00", "b"), asked("11:00", "b", not_before=None)])
def test_a_release_that_is_repeated_hands_over_again_under_the_same_id(event: Any) -> None:
    person = touched(AFTER_TWO)
    person.candidate("10:00", "a")
    for _ in range(2):
        fresh = (arrived(person, "11:00", event),)
        person.take(Turn(PERSON, at("11:00"), fresh=fresh, due=True))
    [first, second] = person.handovers
    assert second == again(first)


def test_what_was_decided_in_its_own_time_and_never_published_is_told_again() -> None:
    person = touched(AFTER_TWO)
    person.candidate("10:00", "a")
    person.candidate("10:30", "b", not_before="2026-05-05T11:00:00Z")
    person.take(Turn(PERSON, at("11:00"), due=True), publish=False)
    person.take(Turn(PERSON, at("11:00:06"), due=True))
    [first, second] = person.handovers
    assert second == again(first)
    assert first.message == "b"


# The section.


def test_the_section_needs_a_reason_and_a_category() -> None:
    with pytest.raises(ValueError, match="`messages` or `signals` is missing"):
        HumanTouch.model_validate({"hold": ["promotional"]})
    with pytest.raises(ValueError, match="hold"):
        HumanTouch.model_validate({"messages": 8})
    with pytest.raises(ValueError, match="`promotionl` is no category of this policy"):
        policy(human_touch={"messages": 8, "hold": ["promotionl"]})
    with pytest.raises(ValueError, match="`signals` is no id of `human_touch`"):
        policy(human_touch=AFTER_TWO, modes={"human_touch.signals": "shadow"})

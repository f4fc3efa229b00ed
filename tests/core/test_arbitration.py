"""The window of arbitration: who waits for rivals, who goes first, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from governor.core.instant import MINUTE, SECOND
from governor.core.turn import Turn, sent
from governor.core.verdict import Outcome
from tests.core.story import CATEGORIES, PERSON, Event, Story, arrived, asked, at, variant

CAP = {"id": "day", "limit": 1, "window": "24h", "at_cap": "defer"}
WINDOW = {"window": "10m"}
LOST = {**WINDOW, "losers": "suppress"}


def rivals(arbitration: dict[str, Any] | None = None, **sections: Any) -> Story:
    sections = {"caps": [CAP], "arbitration": arbitration or WINDOW, **sections}
    person = Story(**sections)
    person.grant()
    return person


# Gathering.


def test_the_window_opens_with_the_first_and_all_are_judged_as_it_closes_the_best_first() -> None:
    person = rivals()
    assert person.candidate("10:00", "low", priority=10) == []
    assert person.candidate("10:04", "high", priority=90) == []
    assert person.candidate("10:09:59", "usual") == []
    assert person.run("10:09:59.999") == []
    assert person.run("10:10") == [
        "high release",
        "usual defer cap_reached 2026-05-06T10:10:00Z",
        "low defer cap_reached 2026-05-06T10:10:00Z",
    ]
    attempts = [(one.attempt, one.decided_at) for one in person.resolutions if not one.gathers]
    assert attempts == [(1, at("10:10"))] * 3


def test_what_comes_as_a_window_closes_opens_the_next() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    assert person.candidate("10:10", "b", priority=90) == ["a release"]
    assert person.run("10:20") == ["b defer cap_reached 2026-05-06T10:10:00Z"]


def test_a_loser_goes_when_its_limit_allows_and_gathers_no_more() -> None:
    person = rivals(caps=[{**CAP, "window": "1h"}])
    person.candidate("10:00", "a", value=2)
    person.candidate("10:00", "b", value=1)
    assert person.run("11:09:59") == ["a release", "b defer cap_reached 11:10:00Z"]
    assert person.candidate("11:09:59", "c") == []
    assert person.run("11:10") == ["b release"]


def test_what_is_due_as_a_window_closes_is_ranked_with_what_gathered() -> None:
    person = rivals(caps=[{**CAP, "window": "1h"}])
    person.candidate("10:00", "a", priority=80)
    person.candidate("10:01", "b", priority=50)
    person.run("10:10")
    assert person.candidate("11:00", "c", priority=60) == []
    assert person.run("11:10") == ["c release", "b defer cap_reached 12:10:00Z"]


def test_without_a_window_each_is_judged_as_it_comes_and_the_rank_orders_what_is_due() -> None:
    person = rivals({"window": "0s", "rank": ["value"]})
    assert person.candidate("09:00", "first") == ["first release"]
    for number, value in enumerate([1, 3, 2]):
        person.candidate(f"10:0{number}", f"m{number}", value=value, priority=90 - value)
    found = person.run("06T09:00")
    assert [text.split(" ")[0] for text in found] == ["m1", "m2", "m0"]


@pytest.mark.parametrize(
    ("rank", "order"),
    [
        (["priority", "value", "created_at"], "dcba"),
        (["value"], "bdac"),
        (["created_at"], "abcd"),
        (["created_at", "value"], "badc"),
    ],
)
def test_the_keys_of_the_rank_count_in_their_order_and_at_last_the_id(
    rank: list[str], order: str
) -> None:
    person = rivals({**WINDOW, "rank": rank}, caps=[])
    old, new = "2026-05-05T08:00:00Z", "2026-05-05T09:00:00Z"
    person.candidate("10:00", "a", priority=1, value=1, created_at=old)
    person.candidate("10:00", "b", priority=1, value=2, created_at=old)
    person.candidate("10:00", "c", priority=2, value=1, created_at=new)
    person.candidate("10:00", "d", priority=2, value=2, created_at=new)
    assert [text[0] for text in person.run("10:10")] == list(order)


# What need not gather.


def test_a_category_that_skips_arbitration_is_judged_at_once() -> None:
    codes = {"purpose": "contract", "basis": ["contract"], "skips": ["arbitration"]}
    person = rivals(categories={**CATEGORIES, "code": codes})
    person.candidate("10:00", "a", priority=90)
    assert person.candidate("10:01", "code", category="code") == ["code release"]
    assert person.run("10:10") == ["a defer cap_reached 2026-05-06T10:01:00Z"]


def test_what_is_urgent_is_judged_at_once() -> None:
    person = rivals()
    incoming = replace(arrived(person, "10:00", asked("10:00")), urgent=True)
    assert person.take(Turn(PERSON, at("10:00"), fresh=(incoming,), due=True)) == ["m release"]


def test_what_has_no_time_left_is_judged_at_once_and_opens_no_window() -> None:
    person = rivals(retention={"verdicts": "1h"})
    assert person.candidate("10:00", "a", expires_at="2026-05-05T10:00:00Z") == [
        "a suppress expired"
    ]
    old = arrived(person, "08:00", asked("08:00", "old"))
    assert person.take(Turn(PERSON, at("10:00"), fresh=(old,), due=True)) == [
        "old suppress expired"
    ]
    assert person.standing.waiting == ()


# Leaving early.


def test_what_expires_before_the_window_closes_is_suppressed_at_its_end() -> None:
    person = rivals()
    person.candidate("10:00", "a", expires_at="2026-05-05T10:05:00Z", priority=90)
    person.candidate("10:01", "b")
    assert person.run("10:05") == ["a suppress expired"]
    assert person.run("10:10") == ["b release"]


def test_a_window_that_all_have_left_is_closed() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    assert person.cancel("10:02", message="a") == ["a suppress cancelled"]
    person.candidate("10:05", "b")
    assert person.run("10:14:59") == []
    assert person.run("10:15") == ["b release"]


ENDING: dict[str, tuple[Callable[[Story], list[str]], str]] = {
    "message": (lambda p: p.cancel("10:02", message="m"), "cancelled"),
    "campaign": (lambda p: p.cancel("10:02", campaign="spring"), "cancelled"),
    "withdrawal": (lambda p: p.consent("10:02", "withdraw"), "consent_withdrawn"),
    "objection": (lambda p: p.consent("10:02", "object"), "objected"),
    "stop": (lambda p: p.steer("10:02", "stop"), "kill_switch"),
    "refusal": (lambda p: p.answer("10:02", "m", "refuse"), "review_refused"),
}


@pytest.mark.parametrize("name", sorted(ENDING))
def test_what_may_not_go_for_good_leaves_the_window_at_once(name: str) -> None:
    happens, code = ENDING[name]
    person = rivals(review={"rules": [{"id": "r"}]})
    person.candidate("10:00")
    assert happens(person) == [f"m suppress {code}"]
    assert person.run("11:00") == []


HARMLESS: dict[str, Callable[[Story], list[str]]] = {
    "grant": lambda p: p.grant("10:02"),
    "profile": lambda p: p.profile("10:02"),
    "feedback": lambda p: p.feedback("10:02", "m", "delivered"),
    "resume": lambda p: p.steer("10:02", "resume"),
    "pause of a channel": lambda p: p.steer("10:02", "pause", channel="push"),
    "pause": lambda p: p.steer("10:02", "pause"),
    "pause of the person": lambda p: p.consent("10:02", "pause", until="2026-05-05T10:03:00Z"),
}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_nothing_else_lets_a_message_out_before_its_window_closes(name: str) -> None:
    person = rivals()
    person.candidate("10:00")
    before = person.standing.waiting
    assert HARMLESS[name](person) == []
    assert person.run("10:09:59.999") == []
    assert person.standing.waiting == before
    assert len(person.run("10:10")) == 1


def test_what_suppresses_only_for_a_time_does_not_end_a_message_that_gathers() -> None:
    person = rivals(caps=[{**CAP, "window": "1h", "at_cap": "suppress"}])
    person.candidate("09:00", "sent")
    assert person.run("09:10") == ["sent release"]
    person.candidate("10:05")
    assert person.profile("10:06") == []
    assert person.run("10:15") == ["m release"]


def test_what_is_said_of_a_message_that_gathers_counts_as_of_one_never_seen() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    assert person.feedback("10:05", "a", "unsubscribed") == ["a suppress consent_withdrawn"]
    assert person.notes == ["unknown_message"]
    assert person.candidate("10:20", "b") == []
    assert person.run("10:30") == ["b suppress consent_withdrawn"]


def test_an_approval_that_comes_while_a_message_gathers_counts_as_its_window_closes() -> None:
    person = rivals(review={"rules": [{"id": "r"}]})
    person.candidate("10:00")
    assert person.answer("10:02", "m", "approve") == []
    assert person.run("10:10") == ["m release"]


def test_a_held_gate_marks_what_gathers_and_lets_nothing_out_early_when_it_opens() -> None:
    person = rivals()
    person.candidate("10:00")
    told = person._turn(at("10:01"), [person.said("10:01", "grant")])
    person.take(replace(told, hold=True))
    (waiting,) = person.standing.waiting
    assert waiting.wake_at == at("10:01")
    assert person.run("10:09:59") == []
    assert person.run("10:10") == ["m release"]


def test_a_longer_life_of_messages_does_not_leave_one_behind_that_gathers() -> None:
    person = rivals({"window": "10m"}, defaults={"expires_after": "11m"})
    person.candidate("10:00", "a", expires_at="2026-05-05T10:20:00Z")
    person.candidate("10:01", "b")
    later = replace(person.standing.waiting[1], planned_at=at("10:05"), wake_at=at("10:05"))
    person.standing = replace(person.standing, waiting=(person.standing.waiting[0], later))
    assert person.run("10:05") == []
    assert [one.wake_at for one in person.standing.waiting] == [at("10:10"), at("10:10")]
    assert person.run("10:10")[0] == "a release"


# The same message again.

SAME = asked("10:00")


def test_an_id_that_gathers_is_not_taken_twice_and_what_is_kept_of_it_is_told_again() -> None:
    person = rivals()
    person.happens("10:00", SAME)
    before = person.standing
    assert person.happens("10:03", SAME) == []
    first, again = person.resolutions
    assert (again.repeat, again.gathers, again.waiting) == (True, True, first.waiting)
    assert person.standing == before
    person.candidate("10:04", campaign="other")
    assert person.rejected == [("m", "conflicting_id")]
    assert person.run("10:10") == ["m release"]
    assert person.happens("10:11", SAME) == ["m release"]
    assert person.resolutions[-1].repeat
    # The first record may have been read again after what gathered had been kept.
    assert person.resolutions[-1].was_waiting


def test_what_was_decided_at_a_closing_and_not_published_is_told_again() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    told = person.take(Turn(PERSON, at("10:10"), due=True), publish=False)
    assert person.take(Turn(PERSON, at("10:10:05"), due=True), publish=False) == told
    person.standing = sent(person.standing, person.resolutions[-2:])
    assert [one.attempt for one in person.resolutions[-2:]] == [1, 1]
    assert [one.attempt for one in person.standing.waiting] == [1]


def test_what_waits_when_the_policy_drops_the_window_still_goes_as_it_closes() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    person.policy = Story(caps=[CAP]).policy
    assert person.candidate("10:01", "b") == ["b release"]
    assert person.run("10:10") == ["a defer cap_reached 2026-05-06T10:01:00Z"]


def test_a_category_that_is_gone_as_the_window_closes_is_a_fault_of_the_policy() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    person.policy = Story(categories={"news": CATEGORIES["news"]}).policy
    assert person.run("10:10") == ["a suppress policy_fault"]


# Losers.


def test_what_would_have_gone_but_for_a_better_one_is_outranked_where_losers_are_dropped() -> None:
    person = rivals(LOST)
    person.candidate("10:00", "a", priority=10)
    person.candidate("10:01", "b", priority=90)
    assert person.run("10:10") == ["b release", "a suppress outranked"]
    finding = person.finding("arbitration", "losers", "a")
    assert (finding.outcome, finding.code, finding.observed) == (Outcome.SUPPRESS, "outranked", 1)
    assert person.finding("caps", "day", "a").code == "cap_reached"
    won = person.finding("arbitration", "losers", "b")
    assert (won.outcome, won.code, won.observed) == (Outcome.RELEASE, None, 0)


@pytest.mark.parametrize(
    "sections",
    [
        {"caps": [{"id": "gap", "min_gap": "1h"}]},
        {"caps": [], "intrusiveness": {"ceiling": 8}},
        {"caps": [], "intrusiveness": {"ceiling": 8, "above": "review"}},
        {"caps": [], "persuasion": {"budget": {"limit": 1, "window": "7d"}}},
    ],
)
def test_every_rule_that_counts_what_went_first_makes_a_loser(sections: dict[str, Any]) -> None:
    person = rivals(LOST, **sections)
    person.candidate("10:00", "a", variants=[variant("v", techniques=["social_proof"])])
    person.candidate("10:00", "b", variants=[variant("v", techniques=["social_proof"])])
    assert person.run("10:10") == ["a release", "b suppress outranked"]


def test_who_would_have_waited_anyhow_is_no_loser() -> None:
    person = rivals(LOST)
    person.candidate("10:00", "a", priority=90)
    person.candidate("10:00", "b", not_before="2026-05-05T22:00:00Z")
    person.candidate("10:00", "c", category="news")
    person.consent("10:01", "pause", purpose="news", until="2026-05-05T11:00:00Z")
    assert person.run("10:10") == [
        "a release",
        "b defer not_yet 2026-05-06T10:10:00Z",
        "c defer person_paused 2026-05-06T10:10:00Z",
    ]
    # Later it meets what others released, but has no rivals any more.
    assert person.run("06T10:10") == ["b release", "c defer cap_reached 2026-05-07T10:10:00Z"]


def test_what_went_before_the_window_outranks_nobody() -> None:
    person = rivals(LOST, caps=[{**CAP, "limit": 2}])
    code = asked("10:00", "urgent")
    urgent = replace(arrived(person, "10:00", code), urgent=True)
    person.take(Turn(PERSON, at("10:00"), fresh=(urgent,), due=True))
    for name in ("a", "b"):
        person.candidate("10:00", name)
    assert person.run("10:10") == ["a release", "b suppress outranked"]
    assert person.finding("arbitration", "losers", "b").observed == 1


def test_a_quieter_variant_that_may_go_is_released_and_the_message_loses_nothing() -> None:
    person = rivals(LOST, caps=[{**CAP, "match": {"channel": "push"}}])
    both = [variant("loud", "push"), variant("quiet", "email")]
    person.candidate("10:00", "a", variants=both, priority=90)
    person.candidate("10:00", "b", variants=both)
    assert person.run("10:10") == ["a release", "b release"]
    assert person.verdict().variant == 1


def test_a_cap_that_suppresses_names_the_loser_itself() -> None:
    person = rivals(LOST, caps=[{**CAP, "at_cap": "suppress"}])
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    assert person.run("10:10") == ["a release", "b suppress cap_reached"]
    assert person.finding("arbitration", "losers", "b").code == "outranked"


@pytest.mark.parametrize("mode", ["arbitration", "arbitration.losers"])
def test_losers_in_shadow_are_shown_and_wait_as_their_limits_say(mode: str) -> None:
    person = rivals(LOST, modes={mode: "shadow"})
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    assert person.run("10:10") == ["a release", "b defer cap_reached 2026-05-06T10:10:00Z"]
    finding = person.finding("arbitration", "losers", "b")
    assert (finding.code, finding.enforced) == ("outranked", False)


def test_where_losers_wait_nothing_is_said_of_arbitration() -> None:
    person = rivals()
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    person.run("10:10")
    assert {one.rule for one in person.findings()}.isdisjoint({"arbitration"})


def test_an_id_that_lost_and_comes_again_is_told_the_same() -> None:
    person = rivals(LOST)
    person.candidate("10:00", "a")
    person.candidate("10:00", "b")
    person.run("10:10")
    told = person.finding("arbitration", "losers", "b")
    assert person.happens("10:11", asked("10:00", "b")) == ["b suppress outranked"]
    assert person.resolutions[-1].repeat
    assert person.finding("arbitration", "losers", "b") == told


def test_each_closing_has_its_own_losers_also_when_several_are_made_up_for_at_once() -> None:
    person = rivals(LOST)
    first, second = (arrived(person, "10:00", asked("10:00", name)) for name in "ab")
    person.take(Turn(PERSON, at("10:00"), fresh=(first,)))
    # Nobody looked when the first window closed; what comes then opens a window of its own.
    person.take(Turn(PERSON, at("10:20"), fresh=(second,)))
    assert [one.eligible_at for one in person.standing.waiting] == [at("10:10"), at("10:30")]
    assert person.catches_up(at("11:00")) == [
        "a release",
        "b defer cap_reached 2026-05-06T10:10:00Z",
    ]


def test_a_category_that_came_to_skip_arbitration_loses_nothing_to_others() -> None:
    person = rivals(LOST)
    person.candidate("10:00", "a")
    person.candidate("10:00", "b", category="news")
    exempt = {**CATEGORIES, "news": {**CATEGORIES["news"], "skips": ["arbitration"]}}
    person.policy = Story(caps=[CAP], arbitration=LOST, categories=exempt).policy
    assert person.run("10:10") == ["a release", "b defer cap_reached 2026-05-06T10:10:00Z"]


# Whatever the order of arrival.

_MINUTES = st.lists(st.integers(0, 9), min_size=1, max_size=6).map(lambda some: [0, *some])
_CANDIDATES = st.fixed_dictionaries(
    {
        "priority": st.sampled_from([10, 50, 50, 90]),
        "value": st.sampled_from([0, 0, 1.5]),
        "category": st.sampled_from(["promotional", "promotional", "news", "service"]),
        "channel": st.sampled_from(["email", "push"]),
        "topic": st.sampled_from(["shoes", "hats"]),
        "created_at": st.sampled_from(["2026-05-05T08:00:00Z", "2026-05-05T09:00:00Z"]),
        "expires_at": st.sampled_from(["2026-05-05T10:30:00Z", "2026-05-08T00:00:00Z"]),
    }
)
_SECTIONS = st.fixed_dictionaries(
    {
        "caps": st.sampled_from(
            [
                [{**CAP, "limit": 2}],
                [{**CAP, "limit": 2, "reserve": {"priority_at_least": 60, "slots": 1}}],
                [{**CAP, "at_cap": "suppress"}, {"id": "gap", "min_gap": "1h"}],
                [{**CAP, "match": {"channel": "email"}, "per": ["person", "topic"]}],
            ]
        ),
        "arbitration": st.fixed_dictionaries(
            {
                "window": st.just("10m"),
                "losers": st.sampled_from(["wait", "suppress"]),
                "rank": st.sampled_from([["priority", "value"], ["value"], ["created_at"]]),
            }
        ),
    }
)


def verdicts(person: Story) -> set[tuple[Any, ...]]:
    return {
        (
            one.incoming.candidate.id,
            one.attempt,
            one.verdict.outcome,
            one.verdict.variant,
            one.verdict.code,
            one.verdict.eligible_at,
            one.decided_at,
        )
        for one in person.resolutions
        if not one.gathers
    }


def played(sections: dict[str, Any], arrivals: list[tuple[int, Event]]) -> set[tuple[Any, ...]]:
    person = rivals(**sections)
    for minute, event in arrivals:
        assert person.happens(at("10:00") + minute * MINUTE, event) == []
    assert person.run(at("10:10") - 1) == []
    person.run("09T00:00")
    assert person.standing.waiting == ()
    return verdicts(person)


@given(_SECTIONS, _MINUTES, st.data())
def test_the_order_of_arrival_in_a_window_changes_no_verdict(
    sections: dict[str, Any], minutes: list[int], data: st.DataObject
) -> None:
    times = sorted(minutes)
    events = [
        asked("10:00", f"m{number}", **data.draw(_CANDIDATES)) for number in range(len(times))
    ]
    expected = played(sections, list(zip(times, events, strict=True)))
    shuffled = data.draw(st.permutations(events))
    assert played(sections, list(zip(times, shuffled, strict=True))) == expected


def test_all_orders_of_four_rivals_give_the_same_verdicts() -> None:
    sections = {"caps": [{**CAP, "limit": 2}], "arbitration": LOST}
    events = [
        asked("10:00", name, priority=p) for name, p in zip("abcd", (1, 9, 9, 5), strict=True)
    ]
    times = [0, 2, 4, 9]
    outcomes = [
        played(sections, list(zip(times, order, strict=True))) for order in permutations(events)
    ]
    assert all(one == outcomes[0] for one in outcomes)
    released = {name for name, _, outcome, *_ in outcomes[0] if outcome is Outcome.RELEASE}
    assert released == {"b", "c"}


# Reserved slots.

RESERVE = {"priority_at_least": 80, "slots": 1}


@pytest.mark.parametrize("window", ["24h", "calendar day"])
def test_reserved_slots_are_only_for_what_matters_most(window: str) -> None:
    person = rivals(
        {"window": "0s"}, caps=[{**CAP, "limit": 2, "window": window, "reserve": RESERVE}]
    )
    assert person.candidate("10:00", "a") == ["a release"]
    day = "22:00:00Z" if window == "calendar day" else "2026-05-06T10:00:00Z"
    assert person.candidate("10:01", "b", priority=79) == [f"b defer cap_reached {day}"]
    finding = person.finding("caps", "day", "b")
    frees = at("22:00") if window == "calendar day" else at("06T10:00")
    assert (finding.limit, finding.observed, finding.eligible_at) == (1, 1, frees)
    assert person.candidate("10:02", "c", priority=80) == ["c release"]
    assert person.finding("caps", "day", "c").limit == 2
    assert person.candidate("10:03", "d", priority=100)[0].startswith("d defer cap_reached")


def test_the_time_of_a_lesser_message_is_when_its_own_share_is_free() -> None:
    person = rivals(
        {"window": "0s"}, caps=[{**CAP, "limit": 3, "window": "10h", "reserve": RESERVE}]
    )
    for hour in ("01:00", "02:00", "03:00"):
        person.candidate(hour, f"m{hour}", priority=90)
    assert person.candidate("04:00", "high", priority=90) == ["high defer cap_reached 11:00:00Z"]
    # Two of three slots count for it, so two of the three releases must have left the window.
    assert person.candidate("04:00:01", "low") == ["low defer cap_reached 12:00:00Z"]
    assert person.finding("caps", "day", "low").observed == 3


def test_a_limit_leaves_the_least_of_a_second() -> None:
    """The reserve moves no border: at the very end of the window the slot is free."""
    person = rivals(
        {"window": "0s"}, caps=[{**CAP, "limit": 2, "window": "1h", "reserve": RESERVE}]
    )
    person.candidate("10:00", "a")
    person.candidate("10:30", "b")
    assert person.run(at("11:00") - SECOND) == []
    assert person.run("11:00") == ["b release"]

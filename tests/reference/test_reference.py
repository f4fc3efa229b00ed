"""The reference itself, against examples worked out by hand from the words of the rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference.compare import shrink
from tests.reference.histories import history
from tests.reference.reference import Reference, judge

DAY = "2026-05-05T"


def at(text: str) -> str:
    """A time of the day on which most examples play, or a whole time as it is."""
    return text if "T" in text else f"{DAY}{text}:00Z"


def event(when: str, kind: str, /, **data: Any) -> dict[str, Any]:
    """One line of a history about the one person there is."""
    person = {} if kind == "control" else {"person": "p"}
    own = {} if kind == "candidate" else {"id": "e", "at": at(when)}
    return {"at": at(when), "type": kind, "data": own | person | data}


def grant(when: str = "06:00", **data: Any) -> dict[str, Any]:
    """A grant for marketing."""
    said = {"action": "grant", "purpose": "marketing", "basis": "consent"}
    return event(when, "consent", **(said | data))


def candidate(when: str, name: str = "m", **data: Any) -> dict[str, Any]:
    """A promotional push."""
    given = {"campaign": "spring", "category": "promo", "created_at": at(when)}
    if "variants" not in data:
        given["channel"] = "push"
    return event(when, "candidate", id=name, **(given | data))


def policy(**sections: Any) -> dict[str, Any]:
    """A policy with one category that needs consent."""
    base = {
        "version": 1,
        "defaults": {"country": "DE", "time_zone": "Europe/Berlin"},
        "categories": {"promo": {"purpose": "marketing", "basis": ["consent"]}},
    }
    return base | sections


def verdicts(rules: dict[str, Any], *events: dict[str, Any], until: str | None = None) -> list[str]:
    """The decisions in short: message, outcome, code, eligible_at, decided_at."""
    return [
        " ".join(
            str(part).replace(DAY, "").replace(":00Z", "")
            for part in (d["message"], d["outcome"], d["code"], d["eligible_at"], d["decided_at"])
            if part is not None
        )
        for d in judge(rules, events, until)
    ]


NIGHTS = {"id": "n", "allow": {"mon-sat": "08:00-21:00", "sun": "none", "holiday": "none"}}


def cap(**data: Any) -> dict[str, Any]:
    """A policy with one cap."""
    return policy(caps=[{"id": "c"} | data])


def test_a_rolling_slot_is_free_exactly_one_window_after_the_send() -> None:
    rules = cap(limit=1, window="1h", at_cap="suppress")
    found = verdicts(
        rules, grant(), candidate("10:00", "a"), candidate("10:59", "b"), candidate("11:00", "c")
    )
    assert found == ["a release 10:00", "b suppress cap_reached 10:59", "c release 11:00"]


def test_a_cap_that_frees_in_quiet_hours_gives_the_opening() -> None:
    rules = cap(limit=1, window="12h") | {"quiet_hours": [NIGHTS]}
    found = verdicts(rules, grant(), candidate("09:00", "a"), candidate("09:30", "b"))
    assert found == [
        "a release 09:00",
        "b defer cap_reached 2026-05-06T06:00 09:30",
        "b release 2026-05-06T06:00",
    ]


def test_a_calendar_day_ends_at_local_midnight_also_when_the_clock_shifts() -> None:
    rules = cap(limit=1, window="calendar day")
    first = "2026-03-28T23:00:00Z"
    found = judge(rules, [grant(first), candidate(first, "a"), candidate(first, "b")])
    assert found[1]["eligible_at"] == "2026-03-29T22:00:00Z"


def test_with_several_zones_the_day_ends_in_the_last_of_them() -> None:
    rules = cap(limit=1, window="calendar day") | {"defaults": {"country": "US"}}
    first = "2026-05-05T12:00:00Z"
    found = judge(rules, [grant(first), candidate(first, "a"), candidate(first, "b")])
    assert found[1]["eligible_at"] == "2026-05-06T10:00:00Z"


def test_hours_of_several_zones_are_intersected_and_an_empty_intersection_suppresses() -> None:
    hours = {"id": "n", "allow": {"mon-sun": "08:00-12:00"}}
    rules = policy(quiet_hours=[hours]) | {"defaults": {"country": "US"}}
    found = verdicts(rules, grant(), candidate("15:00"))
    assert found == ["m suppress quiet_hours 15:00"]


def test_a_holiday_takes_the_place_of_its_weekday() -> None:
    rules = policy(quiet_hours=[NIGHTS])
    found = judge(rules, [grant("2026-05-01T05:00:00Z"), candidate("2026-05-01T10:00:00Z")])
    assert found[0]["eligible_at"] == "2026-05-02T06:00:00Z"


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ("grant", None),
        ("refuse", "consent_withdrawn"),
        ("object", "objected"),
        ("pause", "person_paused"),
    ],
)
def test_on_equal_at_the_strictest_consent_event_wins(second: str, code: str | None) -> None:
    later = {"action": second, "purpose": "*" if second != "grant" else "marketing"}
    for events in ([grant(), grant(**later)], [grant(**later), grant()]):
        assert judge(policy(), [*events, candidate("10:00")])[0]["code"] == code


def test_a_grant_is_over_at_its_expiry_and_not_a_second_before() -> None:
    events = [grant(expires_at=at("10:00")), candidate("2026-05-05T09:59:59Z", "a")]
    found = verdicts(policy(), *events, candidate("10:00", "b"))
    assert found == ["a release 09:59:59Z", "b suppress consent_expired 10:00"]


def test_a_person_event_wakes_but_does_not_suppress_what_lasts_only_a_time() -> None:
    rules = cap(limit=1, window="6h", at_cap="suppress") | {
        "quiet_hours": [
            {"id": "n", "allow": {"mon-sun": "08:00-21:00"}, "match": {"channel": "push"}}
        ]
    }
    events = [
        grant("03:00"),
        candidate("05:00", "a"),
        candidate("05:10", "b", channel="email"),
        event("05:20", "profile"),
    ]
    assert verdicts(rules, *events) == [
        "a defer quiet_hours 06:00 05:00",
        "b release 05:10",
        "a defer cap_reached 11:10 05:20",
        "a release 11:10",
    ]


def test_two_that_wait_for_one_slot_go_by_priority_and_the_loser_is_suppressed_at_its_time() -> (
    None
):
    rules = cap(limit=1, window="6h", at_cap="suppress") | {"quiet_hours": [NIGHTS]}
    events = [grant("03:00"), candidate("05:00", "a"), candidate("05:00", "b", priority=90)]
    assert verdicts(rules, *events)[2:] == ["b release 06:00", "a suppress cap_reached 06:00"]


def test_a_message_is_expired_at_its_expiry_and_waits_for_nothing_that_comes_then() -> None:
    last = candidate("2026-05-05T09:59:59Z", "a", expires_at=at("10:00"))
    late = candidate("10:00", "b", expires_at=at("10:00"))
    assert verdicts(policy(), grant(), last, late) == [
        "a release 09:59:59Z",
        "b suppress expired 10:00",
    ]
    held = candidate("09:00", not_before=at("10:00"), expires_at=at("10:00"))
    assert verdicts(policy(), grant(), held) == ["m suppress not_yet 09:00"]


def test_a_bounce_gives_the_slot_back_once_and_delivered_takes_it_again() -> None:
    rules = cap(limit=1, window="6h", at_cap="suppress")
    bounce = {"message": "a", "kind": "bounced"}
    events = [grant(), candidate("09:00", "a"), event("09:10", "feedback", **bounce)]
    events += [event("09:20", "feedback", message="a", kind="delivered")]
    events += [event("09:30", "feedback", **bounce), candidate("10:00", "b")]
    assert verdicts(rules, *events)[1:] == ["b suppress cap_reached 10:00"]
    assert verdicts(rules, *events[:3], candidate("10:00", "b"))[1:] == ["b release 10:00"]


def test_complaints_count_for_the_purpose_on_all_channels_and_unseen_ones_for_all_purposes() -> (
    None
):
    said = event("09:10", "feedback", message="a", kind="complained")
    later = candidate("10:00", "b", channel="email")
    assert verdicts(policy(), grant(), candidate("09:00", "a"), said, later)[1:] == [
        "b suppress consent_withdrawn 10:00"
    ]
    assert verdicts(policy(), grant(), said, later) == ["b suppress consent_withdrawn 10:00"]


def test_feedback_on_what_was_judged_and_not_released_is_ignored() -> None:
    said = event("09:10", "feedback", message="a", kind="complained")
    refused = candidate("09:00", "a", expires_at=at("08:00"))
    assert verdicts(policy(), grant(), refused, said, candidate("10:00", "b"))[1:] == [
        "b release 10:00"
    ]


def test_a_pause_and_a_resume_at_one_instant_publish_nothing_between() -> None:
    pause = {"action": "pause", "scope": {}, "by": "o", "reason": "r"}
    events = [
        grant(),
        event("09:00", "control", **pause),
        candidate("09:10"),
        event("10:00", "control", **pause | {"action": "resume"}),
        event("10:00", "control", **pause),
        event("11:00", "control", **pause | {"action": "resume"}),
    ]
    assert verdicts(policy(), *events) == ["m defer paused_campaign 09:10", "m release 11:00"]


REVIEW = {"rules": [{"id": "all", "reviewers": 2}], "deadline": "3h"}


def test_two_different_reviewers_must_approve_and_the_deadline_itself_still_counts() -> None:
    answer = {"message": "m", "answer": "approve", "reason": "r"}
    events = [
        grant(),
        event("08:00", "review", reviewer="ann", **answer),
        candidate("09:00"),
        event("10:00", "review", reviewer="ann", **answer),
    ]
    late = event("12:00", "review", reviewer="bob", **answer)
    rules = policy(review=REVIEW)
    assert verdicts(rules, *events, late) == ["m review needs_review 09:00", "m release 12:00"]
    assert verdicts(rules, *events)[1:] == ["m suppress review_expired 12:00"]


def test_a_refusal_is_final_also_beside_a_variant_that_needs_no_review() -> None:
    review = {"rules": [{"id": "push", "when": {"channel": "push"}}]}
    variants = [{"id": "v0", "channel": "push"}, {"id": "v1", "channel": "email"}]
    answer = {"message": "m", "reviewer": "ann", "answer": "refuse", "reason": "r"}
    events = [grant(), event("08:00", "review", **answer), candidate("09:00", variants=variants)]
    assert verdicts(policy(review=review), *events) == ["m suppress review_refused 09:00"]


def test_a_deferring_variant_without_a_time_counts_as_suppressed_review_or_no_review() -> None:
    rules = cap(limit=0, window="1h") | {"review": REVIEW}
    assert verdicts(rules, grant(), candidate("09:00")) == ["m suppress cap_reached 09:00"]


def test_an_equal_id_says_nothing_new_and_another_content_is_a_dead_letter() -> None:
    changed = candidate("11:00") | {}
    changed["data"] = changed["data"] | {"created_at": at("09:00"), "payload": 1}
    again = candidate("09:00") | {"at": at("10:00")}
    reference = Reference(policy())
    reference.run([grant(), candidate("09:00"), again, changed])
    assert len(reference.decisions) == 1
    assert [reason for reason, _ in reference.dead_letters] == ["conflicting_id"]


def test_five_minutes_ahead_is_in_force_at_once_and_a_second_more_is_not() -> None:
    near = grant("06:00", at="2026-05-05T06:05:00Z")
    far = grant("06:00", at="2026-05-05T06:05:01Z")
    assert verdicts(policy(), near, candidate("06:01")) == ["m release 06:01"]
    assert verdicts(policy(), far, candidate("07:00")) == ["m suppress no_consent 07:00"]


def test_the_score_frees_at_the_second_of_its_closed_form() -> None:
    rules = policy(intrusiveness={"ceiling": 15, "half_life": "3d"})
    found = judge(rules, [grant(), candidate("09:00", "a"), candidate("09:00", "b")])
    # 10 points each: pressure must fall from 10 to 5, which is one half-life.
    assert found[1]["eligible_at"] == "2026-05-08T09:00:00Z"


def test_what_people_did_moves_the_ceiling_and_fades_with_a_half_life_of_90_days() -> None:
    rules = policy(intrusiveness={"ceiling": 20})
    said = {"message": "never", "kind": "too_much"}
    events = [grant(), event("09:00", "feedback", **said), event("09:00", "feedback", **said)]
    found = judge(rules, [*events, candidate("09:00", "a")])
    assert found[-1]["intrusiveness"] == {
        "exposure": 10,
        "pressure": 0,
        "after": 10,
        "ceiling": 14,
    }
    later = judge(rules, [*events, candidate("2026-08-03T09:00:00Z", "a")])
    assert later[-1]["intrusiveness"]["ceiling"] == pytest.approx(17)


def test_nothing_learned_raises_the_ceiling_above_what_was_said() -> None:
    rules = policy(intrusiveness={})
    clicked = event("09:00", "feedback", message="never", kind="clicked")
    said = event("08:00", "profile", comfort={"level": "low"})
    for events, ceiling in (([grant(), clicked], 61.2), ([grant(), said, clicked], 30)):
        found = judge(rules, [*events, candidate("09:00")])
        assert found[0]["intrusiveness"]["ceiling"] == pytest.approx(ceiling)


def test_of_whom_nothing_is_known_may_be_anywhere() -> None:
    rules = cap(limit=1, window="calendar day") | {"defaults": {}}
    first = "2026-05-05T11:00:00Z"
    found = judge(rules, [grant(first), candidate(first, "a"), candidate(first, "b")])
    # In the zone in which the day has just begun it ends last.
    assert found[1]["eligible_at"] == "2026-05-06T11:00:00Z"


@pytest.mark.parametrize("wide", [False, True])
def test_random_histories_end_with_one_final_verdict_at_most_and_no_missing_edge(
    *,
    wide: bool,
) -> None:
    for seed in range(40):
        rules, events = history(seed, wide=wide)
        reference = Reference(rules, with_findings=False)
        reference.run(events)
        finals = [(d["person"], d["message"]) for d in reference.decisions if d["final"]]
        assert len(finals) == len(set(finals))


def test_shrinking_leaves_only_what_the_difference_needs() -> None:
    events = [{"n": n} for n in range(20)]
    rules, left = shrink(
        {"version": 1, "caps": [1, 2]},
        events,
        lambda p, e: {"n": 7} in e and 2 in p.get("caps", []),
    )
    assert (rules, left) == ({"version": 1, "caps": [2]}, [{"n": 7}])

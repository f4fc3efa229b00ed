"""Caps: nobody gets more than they allow, counted over what was really released."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.instant import DAY, HOUR
from tests.core.story import CATEGORIES, Story, asked, at


def capped(*caps: dict[str, Any], **sections: Any) -> Story:
    numbered = [{"id": f"cap-{number}", **cap} for number, cap in enumerate(caps)]
    person = Story(caps=numbered, **sections)
    person.grant("2026-01-01T00:00")
    person.grant("2026-01-01T00:00", purpose="news")
    return person


def send(person: Story, *times: str, **data: Any) -> None:
    for time in times:
        assert person.candidate(time, f"sent at {time}", **data)[-1].endswith("release")


# Rolling windows.


def test_a_slot_of_a_rolling_window_is_free_exactly_one_window_after_the_send() -> None:
    person = capped({"limit": 1, "window": "24h", "at_cap": "suppress"})
    send(person, "10:00")
    assert person.candidate("06T09:59:59.999", "a") == ["a suppress cap_reached"]
    assert person.candidate("06T10:00", "b") == ["b release"]


def test_the_seventh_day_to_the_second_is_a_new_week() -> None:
    person = capped({"limit": 1, "window": "7d", "at_cap": "suppress"})
    for week in range(5, 33, 7):
        day = f"2026-05-{week:02}" if week < 32 else "2026-06-01"
        send(person, f"{day}T09:30")
        assert person.candidate(f"{day}T09:30:01", f"late {week}") == [
            f"late {week} suppress cap_reached"
        ]


def test_a_rolling_cap_names_the_moment_at_which_a_slot_frees() -> None:
    person = capped({"limit": 2, "window": "24h"})
    send(person, "08:00", "09:00:00.500")
    assert person.candidate("10:00", "a") == ["a defer cap_reached 2026-05-06T08:00:00Z"]
    finding = person.finding("caps", "cap-0")
    assert (finding.limit, finding.observed, finding.window) == (2, 2, "24h")
    assert person.candidate("11:00", "b") == ["b defer cap_reached 2026-05-06T08:00:00Z"]
    assert person.run("06T08:00") == ["a release", "b defer cap_reached 2026-05-06T09:00:01Z"]
    assert person.run("06T09:00:01") == ["b release"]


def test_several_sends_must_leave_the_window_when_the_limit_was_lowered() -> None:
    person = capped({"limit": 3, "window": "24h"})
    send(person, "08:00", "09:00", "10:00")
    person.policy = capped({"limit": 1, "window": "24h"}).policy
    assert person.candidate("11:00") == ["m defer cap_reached 2026-05-06T10:00:00Z"]
    assert person.finding("caps", "cap-0").observed == 3


def test_a_changed_window_holds_against_what_was_really_sent() -> None:
    person = capped({"limit": 1, "window": "1h"})
    send(person, "08:00")
    person.policy = capped({"limit": 1, "window": "24h"}).policy
    assert person.candidate("11:00") == ["m defer cap_reached 2026-05-06T08:00:00Z"]


@pytest.mark.parametrize("at_cap", ["defer", "suppress"])
@pytest.mark.parametrize("window", ["24h", "calendar week"])
def test_a_limit_of_nothing_lets_nothing_through_and_waits_for_nothing(
    at_cap: str, window: str
) -> None:
    person = capped({"limit": 0, "window": window, "at_cap": at_cap})
    assert person.candidate("10:00") == ["m suppress cap_reached"]
    assert person.finding("caps", "cap-0").eligible_at is None
    assert person.standing.waiting == ()


def test_two_at_one_instant_take_two_slots() -> None:
    person = capped({"limit": 1, "window": "24h", "at_cap": "suppress"})
    assert person.happens("10:00", asked("10:00", "a"), asked("10:00", "b")) == [
        "a release",
        "b suppress cap_reached",
    ]


# Calendar windows.


@pytest.mark.parametrize(
    ("window", "last", "first"),
    [
        ("calendar hour", "10:59:59.999", "11:00"),
        ("calendar day", "21:59:59.999", "22:00"),
        ("calendar week", "10T21:59:59.999", "10T22:00"),
        ("calendar month", "31T21:59:59.999", "31T22:00"),
    ],
)
def test_a_calendar_window_starts_anew_on_the_persons_own_clock(
    window: str, last: str, first: str
) -> None:
    person = capped({"limit": 1, "window": window, "at_cap": "suppress"})
    send(person, "10:00")
    assert person.candidate(last, "a") == ["a suppress cap_reached"]
    assert person.finding("caps", "cap-0").eligible_at == at(first)
    assert person.candidate(first, "b") == ["b release"]


@pytest.mark.parametrize(
    ("window", "sent", "frees"),
    [
        ("calendar day", "2026-03-29T00:30", "2026-03-29T22:00:00Z"),
        ("calendar day", "2026-10-25T00:30", "2026-10-25T23:00:00Z"),
        ("calendar hour", "2026-03-29T00:30", "2026-03-29T01:00:00Z"),
        ("calendar hour", "2026-10-25T00:30", "2026-10-25T01:00:00Z"),
        ("calendar hour", "2026-10-25T01:30", "2026-10-25T02:00:00Z"),
        ("calendar week", "2026-03-25T12:00", "2026-03-29T22:00:00Z"),
        ("calendar week", "2026-10-20T12:00", "2026-10-25T23:00:00Z"),
        ("calendar month", "2026-03-10T12:00", "2026-03-31T22:00:00Z"),
        ("calendar month", "2026-10-10T12:00", "2026-10-31T23:00:00Z"),
        ("calendar month", "2026-12-10T12:00", "2026-12-31T23:00:00Z"),
    ],
)
def test_a_calendar_window_keeps_to_the_wall_when_the_clocks_change(
    window: str, sent: str, frees: str
) -> None:
    person = capped(
        {"limit": 1, "window": window},
        defaults={"time_zone": "Europe/Berlin", "expires_after": "60d"},
    )
    send(person, sent)
    assert person.candidate(sent) == [f"m defer cap_reached {frees}"]
    assert person.run("2027-01-31T00:00") == ["m release"]


def test_with_several_zones_the_largest_count_and_the_latest_end_hold() -> None:
    person = capped({"limit": 2, "window": "calendar day"}, defaults={"country": "US"})
    send(person, "09:30", "12:00")
    # In Honolulu the first was yesterday; of the zones that count two, Adak's day ends last.
    assert person.candidate("12:30") == ["m defer cap_reached 2026-05-06T09:00:00Z"]
    assert person.finding("caps", "cap-0").observed == 2


def test_what_frees_in_one_zone_must_still_be_free_in_the_others() -> None:
    person = capped({"limit": 1, "window": "calendar day"}, defaults={"country": "PT"})
    send(person, "22:30")
    # Lisbon and Madeira are at half past eleven in the evening, the Azores at half past ten.
    assert person.candidate("22:40", "a") == ["a defer cap_reached 2026-05-06T00:00:00Z"]
    assert person.candidate("23:30", "b") == ["b defer cap_reached 2026-05-06T00:00:00Z"]


def test_a_new_time_zone_holds_for_windows_that_began_in_the_old_one() -> None:
    person = capped({"limit": 1, "window": "calendar day"})
    send(person, "20:00")
    assert person.candidate("21:00") == ["m defer cap_reached 22:00:00Z"]
    assert person.profile("21:30", time_zone="America/New_York") == [
        "m defer cap_reached 2026-05-06T04:00:00Z"
    ]


# Distances.


def test_a_gap_is_kept_to_the_second_and_counted_from_the_last_send() -> None:
    person = capped({"min_gap": "4h"})
    send(person, "06:00", "10:00")
    assert person.candidate("13:59:59.999", "a") == ["a defer min_gap 14:00:00Z"]
    finding = person.finding("caps", "cap-0")
    assert (finding.limit, finding.observed) == (4 * 3600, 4 * 3600 - 0.001)
    assert person.run("14:00") == ["a release"]
    assert person.candidate("18:00", "b") == ["b release"]


def test_a_gap_that_suppresses_does_not_wait() -> None:
    person = capped({"min_gap": "4h", "at_cap": "suppress"})
    send(person, "10:00")
    assert person.candidate("13:59:59", "a") == ["a suppress min_gap"]
    assert person.finding("caps", "cap-0").eligible_at == at("14:00")
    assert person.candidate("14:00", "b") == ["b release"]


# Silence.


def test_silence_follows_a_refusal_and_no_later_grant_lifts_it() -> None:
    person = capped(
        {
            "match": {"channel": "call"},
            "silence_after": "refuse",
            "window": "60d",
            "at_cap": "suppress",
        }
    )
    person.consent("01T10:00", "refuse", channel="call", purpose="news")
    person.grant("02T10:00")
    assert person.candidate("03T10:00", "a", channel="call") == ["a suppress silence_after_refusal"]
    assert person.candidate("03T10:00", "b", channel="email") == ["b release"]
    assert person.candidate("2026-06-30T09:59:59", "c", channel="call") == [
        "c suppress silence_after_refusal"
    ]
    assert person.candidate("2026-06-30T10:00", "d", channel="call") == ["d release"]


def test_silence_follows_feedback_on_a_message_that_was_never_seen() -> None:
    person = capped({"silence_after": ["complained", "dismissed"], "window": "24h"})
    person.feedback("08:00", "elsewhere", "dismissed")
    assert person.candidate("09:00") == ["m defer silence_after_refusal 2026-05-06T08:00:00Z"]
    assert person.run("06T08:00") == ["m release"]


@pytest.mark.parametrize(
    ("channel", "others"), [(None, "suppress silence_after_refusal"), ("push", "release")]
)
def test_a_signal_silences_its_own_channel_or_all(channel: str | None, others: str) -> None:
    person = capped({"silence_after": "dismissed", "window": "24h", "at_cap": "suppress"})
    person.feedback("08:00", "elsewhere", "dismissed", channel=channel)
    assert person.candidate("09:00", "a", channel="push") == ["a suppress silence_after_refusal"]
    assert person.candidate("09:00", "b", channel="email") == [f"b {others}"]


def test_silence_runs_from_the_time_of_the_signal_itself() -> None:
    person = capped({"silence_after": "dismissed", "window": "1h"})
    person.happens(
        "10:00",
        (
            "feedback",
            {
                "id": "f",
                "message": "x",
                "person": "p-42",
                "at": "2026-05-05T09:10:00Z",
                "kind": "dismissed",
            },
        ),
    )
    assert person.candidate("10:05") == ["m defer silence_after_refusal 10:10:00Z"]


def test_an_unsubscription_is_silence_after_a_withdrawal_too() -> None:
    person = capped({"silence_after": "withdraw", "window": "24h", "at_cap": "suppress"})
    person.feedback("08:00", "elsewhere", "unsubscribed")
    person.grant("08:30")
    assert person.candidate("09:00") == ["m suppress silence_after_refusal"]


# What an entry is about.


def test_every_cap_that_matches_must_pass_and_a_narrow_one_adds_to_a_wide_one() -> None:
    person = capped(
        {"limit": 3, "window": "24h", "at_cap": "suppress"},
        {"match": {"channel": "push"}, "limit": 1, "window": "24h", "at_cap": "suppress"},
    )
    send(person, "08:00", channel="push")
    assert person.candidate("09:00", "a", channel="push") == ["a suppress cap_reached"]
    send(person, "09:10", "09:20", channel="email")
    assert person.candidate("10:00", "b", channel="email") == ["b suppress cap_reached"]
    assert [f.id for f in person.findings() if f.rule == "caps"] == ["cap-0"]


@pytest.mark.parametrize(
    ("match", "counts"),
    [
        ({}, True),
        ({"category": "promotional"}, True),
        ({"category": ["promotional", "news"], "channel": ["push", "email"]}, True),
        ({"campaign": "spring"}, True),
        ({"campaign": "autumn"}, False),
        ({"topic": "shoes"}, True),
        ({"topic": "hats"}, False),
        ({"channel": "push"}, False),
        ({"channel": "email", "topic": "hats"}, False),
    ],
)
def test_a_cap_is_about_what_its_match_names(match: dict[str, Any], *, counts: bool) -> None:
    person = capped({"match": match, "limit": 1, "window": "24h", "at_cap": "suppress"})
    send(person, "08:00", topic="shoes")
    said = person.candidate("09:00", topic="shoes")
    assert said == (["m suppress cap_reached"] if counts else ["m release"])


def test_a_message_without_a_topic_is_not_meant_by_a_topic() -> None:
    person = capped({"match": {"topic": "shoes"}, "limit": 0, "window": "24h"})
    assert person.candidate("09:00") == ["m release"]


@pytest.mark.parametrize(
    ("per", "other", "free"),
    [
        (["person", "topic"], {"topic": "hats"}, True),
        (["person", "topic"], {"topic": None}, True),
        (["person", "topic"], {"topic": "shoes"}, False),
        (["person", "campaign"], {"campaign": "autumn"}, True),
        (["person", "campaign"], {"campaign": "spring"}, False),
        (["person", "category"], {"category": "news"}, True),
        (["person", "channel"], {"channel": "push"}, True),
        (["person", "channel"], {"channel": "email"}, False),
        (["person", "channel", "topic"], {"channel": "push", "topic": "shoes"}, True),
        (["person"], {"topic": "hats", "channel": "push", "category": "news"}, False),
    ],
)
def test_a_cap_counts_separately_for_what_it_is_per(
    per: list[str], other: dict[str, Any], *, free: bool
) -> None:
    person = capped({"per": per, "limit": 1, "window": "24h", "at_cap": "suppress"})
    send(person, "08:00", topic="shoes")
    said = person.candidate("09:00", **{"topic": "shoes", **other})
    assert said == (["m release"] if free else ["m suppress cap_reached"])


def test_a_missing_topic_is_a_group_of_its_own() -> None:
    person = capped({"per": ["person", "topic"], "limit": 1, "window": "24h", "at_cap": "suppress"})
    send(person, "08:00")
    assert person.candidate("09:00", "a") == ["a suppress cap_reached"]
    assert person.candidate("09:00", "b", topic="shoes") == ["b release"]


def test_what_a_send_was_is_frozen_at_its_release() -> None:
    person = capped(
        {"match": {"category": "promotional"}, "limit": 1, "window": "24h", "at_cap": "suppress"}
    )
    send(person, "08:00")
    renamed = {**CATEGORIES, "promotional": {"purpose": "news", "basis": ["consent"]}}
    person.policy = capped(
        {"match": {"category": "promotional"}, "limit": 1, "window": "24h", "at_cap": "suppress"},
        categories=renamed,
    ).policy
    assert person.candidate("09:00") == ["m suppress cap_reached"]


# Settling.


@pytest.mark.parametrize("kind", ["bounced", "failed"])
def test_a_failure_gives_the_slot_back(kind: str) -> None:
    person = capped({"limit": 1, "window": "24h"})
    person.candidate("08:00", "a")
    person.candidate("09:00", "b")
    assert person.feedback("10:00", "a", kind) == ["b release"]
    assert person.notes == ["refunded"]


@pytest.mark.parametrize("kind", ["delivered", "opened", "clicked", "converted", "replied", "less"])
def test_nothing_else_gives_a_slot_back_and_silence_never_does(kind: str) -> None:
    person = capped({"limit": 1, "window": "24h", "at_cap": "suppress"})
    person.candidate("08:00", "a")
    person.feedback("09:00", "a", kind)
    assert person.candidate("06T07:59:59", "b") == ["b suppress cap_reached"]


def test_a_slot_is_given_back_once_and_taken_again_by_a_delivery_even_above_the_cap() -> None:
    person = capped({"limit": 1, "window": "24h", "at_cap": "suppress"})
    person.candidate("08:00", "a")
    person.feedback("09:00", "a", "bounced")
    assert person.candidate("09:30", "b") == ["b release"]
    person.feedback("10:00", "a", "delivered")
    assert person.notes == ["refunded", "recounted"]
    person.feedback("10:10", "a", "failed")
    person.feedback("10:20", "b", "bounced")
    assert person.candidate("11:00", "c") == ["c suppress cap_reached"]
    assert person.finding("caps", "cap-0").observed == 1
    assert person.notes == ["refunded", "recounted", "refunded"]


def test_a_second_delivery_counts_nothing_twice() -> None:
    person = capped({"limit": 2, "window": "24h", "at_cap": "suppress"})
    person.candidate("08:00", "a")
    for kind in ("bounced", "bounced", "delivered", "delivered"):
        person.feedback("09:00", "a", kind)
    assert person.candidate("10:00", "b") == ["b release"]
    assert person.candidate("10:00", "c") == ["c suppress cap_reached"]


# Quota, counts, comfort.

LOGGED = {
    **CATEGORIES,
    "code": {"purpose": "contract", "basis": ["contract"], "skips": ["caps"], "counts": False},
}


def with_quota(**quota: Any) -> dict[str, Any]:
    code = {**LOGGED["code"], "quota": {"limit": 2, "window": "1h", **quota}}
    return {**LOGGED, "code": code}


def test_what_does_not_count_uses_up_no_cap_and_what_skips_still_counts() -> None:
    counting = {**LOGGED, "code": {**LOGGED["code"], "counts": True}}
    for categories, said in ((LOGGED, "release"), (counting, "suppress cap_reached")):
        person = capped({"limit": 1, "window": "24h", "at_cap": "suppress"}, categories=categories)
        person.candidate("08:00", "a", category="code")
        person.candidate("08:01", "b", category="code")
        assert person.candidate("09:00") == [f"m {said}"]


def test_what_does_not_count_still_meets_the_caps_unless_it_skips_them() -> None:
    meets = {**LOGGED, "code": {**LOGGED["code"], "skips": []}}
    person = capped({"limit": 1, "window": "24h", "at_cap": "suppress"}, categories=meets)
    send(person, "08:00")
    assert person.candidate("09:00", category="code") == ["m suppress cap_reached"]


@pytest.mark.parametrize(
    ("at_quota", "said"),
    [
        ("defer", "defer bypass_quota 11:00:00Z"),
        ("suppress", "suppress bypass_quota"),
        ("review", "review bypass_quota"),
    ],
)
def test_a_quota_holds_where_the_caps_are_skipped_and_nothing_counts(
    at_quota: str, said: str
) -> None:
    person = Story(categories=with_quota(at_quota=at_quota))
    send(person, "10:00", "10:30", category="code")
    assert person.candidate("10:59:59.999", "a", category="code") == [f"a {said}"]
    finding = person.finding("caps", "quota")
    assert (finding.limit, finding.observed, finding.window) == (2, 2, "1h")
    assert finding.eligible_at == at("11:00")


@pytest.mark.parametrize("window", ["90s", "30m", "24h", "36h", "7d"])
def test_a_quota_shows_its_window_as_the_policy_writes_it(window: str) -> None:
    person = Story(categories=with_quota(window=window))
    person.candidate("10:00", category="code")
    assert person.finding("caps", "quota").window == window


def test_a_quota_of_one_category_is_not_used_up_by_another() -> None:
    person = Story(categories=with_quota(limit=1))
    person.grant("00:00")
    send(person, "10:00")
    assert person.candidate("10:10", category="code") == ["m release"]


def test_a_quota_is_found_before_the_caps() -> None:
    strict = {**with_quota(limit=0)["code"], "skips": []}
    person = capped({"limit": 0, "window": "1h"}, categories={**CATEGORIES, "code": strict})
    assert person.candidate("10:00", category="code") == ["m suppress bypass_quota"]
    assert [f.id for f in person.findings() if f.rule == "caps"] == ["quota", "cap-0"]


def test_an_approval_passes_a_quota_that_asks_for_review() -> None:
    person = Story(categories=with_quota(limit=0, at_quota="review"))
    assert person.candidate("10:00", category="code") == ["m review bypass_quota"]
    assert person.answer("10:30", "m", "approve") == ["m release"]
    assert person.candidate("11:00", "n", category="code") == ["n review bypass_quota"]
    assert person.run("06T11:00") == ["n suppress review_expired"]
    assert person.candidate("06T12:00", "o", category="code") == ["o review bypass_quota"]
    assert person.answer("06T12:30", "o", "refuse") == ["o suppress review_refused"]


def test_what_people_find_comfortable_in_a_week_is_a_cap_of_its_own() -> None:
    person = capped({"limit": 5, "window": "24h"})
    person.profile("00:00", comfort={"max_per_week": 1})
    send(person, "10:00")
    soon = person.candidate("11:00", expires_at="2026-05-20T00:00:00Z")
    assert soon == ["m defer cap_reached 2026-05-12T10:00:00Z"]
    finding = person.finding("caps", "comfort")
    assert (finding.limit, finding.observed, finding.window) == (1, 1, "7d")
    assert [f.id for f in person.findings() if f.rule == "caps"] == ["cap-0", "comfort"]


def test_comfort_holds_without_caps_counts_only_what_counts_and_is_skipped_with_them() -> None:
    person = Story(categories={**LOGGED, "free": {**CATEGORIES["news"], "skips": ["caps"]}})
    person.grant("00:00")
    person.profile("00:00", comfort={"max_per_week": 1})
    send(person, "08:00", category="code")
    send(person, "10:00")
    assert person.candidate("11:00", "a", expires_at="2026-05-20T00:00:00Z") == [
        "a defer cap_reached 2026-05-12T10:00:00Z"
    ]
    assert person.candidate("11:00", "b", category="free") == ["b release"]
    assert person.run("12T10:00") == ["a defer cap_reached 2026-05-12T11:00:00Z"]
    assert person.run("12T11:00") == ["a release"]


def test_a_comfort_of_nothing_waits_for_nothing() -> None:
    person = Story()
    person.grant("00:00")
    person.profile("00:00", comfort={"max_per_week": 0})
    assert person.candidate("11:00") == ["m suppress cap_reached"]


def test_a_cap_in_shadow_is_judged_and_shown_and_does_not_bind() -> None:
    person = capped({"limit": 0, "window": "1h"}, modes={"caps.cap-0": "shadow"})
    assert person.candidate("10:00") == ["m release"]
    finding = person.finding("caps", "cap-0")
    assert (finding.outcome.name, finding.enforced, finding.code) == ("DEFER", False, "cap_reached")


def test_the_longer_key_of_the_modes_wins() -> None:
    person = capped(
        {"limit": 0, "window": "1h"},
        {"limit": 9, "window": "1h"},
        modes={"caps": "shadow", "caps.cap-0": "enforce"},
    )
    assert person.candidate("10:00") == ["m suppress cap_reached"]


def test_what_is_older_than_the_history_is_forgotten_and_no_window_misses_it() -> None:
    person = capped({"limit": 1, "window": "10d"}, retention={"history": "10d", "verdicts": "72h"})
    send(person, "10:00")
    assert person.candidate("15T09:59:59.999", "a") == ["a defer cap_reached 2026-05-15T10:00:00Z"]
    assert person.run("15T10:00") == ["a release"]
    person.profile("15T12:00", time_zone="Europe/Berlin")
    assert [at("15T10:00")] == [entry.at for entry in person.standing.log]
    assert 10 * DAY == 240 * HOUR


@pytest.mark.parametrize(
    ("window", "history", "first", "later"),
    [
        ("calendar day", "24h", "2026-10-24T22:10", "2026-10-25T22:40"),
        ("calendar week", "7d", "2026-10-18T22:10", "2026-10-25T22:40"),
        ("calendar month", "31d", "2026-09-30T22:10", "2026-10-31T22:40"),
    ],
)
def test_nothing_is_forgotten_within_a_calendar_window_that_a_clock_set_back_makes_longer(
    window: str, history: str, first: str, later: str
) -> None:
    cap = {"limit": 1, "window": window, "at_cap": "suppress"}
    person = capped(cap, retention={"history": history, "verdicts": "1h"})
    send(person, first)
    person.profile(later, time_zone="Europe/Berlin")
    assert person.candidate(later, "a") == ["a suppress cap_reached"]

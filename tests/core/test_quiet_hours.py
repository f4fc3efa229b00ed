"""Quiet hours: a message arrives only when its channel is allowed on the person's own clock."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.instant import MINUTE, format_second
from tests.core.story import CATEGORIES, Story, at, variant

NIGHTS = {"mon-sat": "08:00-21:00", "sun": "12:00-20:00", "holiday": "none"}


def quiet(*entries: dict[str, Any], **sections: Any) -> Story:
    numbered = [
        {"id": f"q{number}", "allow": NIGHTS, **entry} for number, entry in enumerate(entries)
    ]
    person = Story(quiet_hours=numbered, **sections)
    person.grant("2026-01-01T00:00")
    return person


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("05:59:59.999", "defer quiet_hours 06:00:00Z"),
        ("06:00", "release"),
        ("18:59:59", "release"),
        ("18:59:59.999", "release"),
        ("19:00", "defer quiet_hours 2026-05-06T06:00:00Z"),
        # Saturday evening waits for Sunday noon, Sunday evening for Monday morning.
        ("09T19:00", "defer quiet_hours 2026-05-10T10:00:00Z"),
        ("10T18:00", "defer quiet_hours 2026-05-11T06:00:00Z"),
        # The first of May is a holiday in Germany, a Friday in 2026.
        ("2026-04-30T19:00", "defer quiet_hours 2026-05-02T06:00:00Z"),
        ("01T10:00", "defer quiet_hours 2026-05-02T06:00:00Z"),
        # The nights in which the clocks change.
        ("2026-03-28T20:00", "defer quiet_hours 2026-03-29T10:00:00Z"),
        ("2026-10-24T19:00", "defer quiet_hours 2026-10-25T11:00:00Z"),
    ],
)
def test_the_hours_include_their_start_and_exclude_their_end(when: str, said: str) -> None:
    assert quiet({}).candidate(when) == [f"m {said}"]


def test_outside_suppress_drops_and_tells_when_it_would_have_been_allowed() -> None:
    person = quiet({"outside": "suppress"})
    assert person.candidate("05:00", "a") == ["a suppress quiet_hours"]
    assert person.verdict().eligible_at is None
    assert person.finding("quiet_hours", "q0").eligible_at == at("06:00")
    assert person.candidate("06:00", "b") == ["b release"]


def test_hours_that_never_open_have_no_time_and_suppress() -> None:
    person = quiet({"allow": {"mon-sun": "none"}})
    assert person.candidate("10:00") == ["m suppress quiet_hours"]
    assert person.finding("quiet_hours", "q0").eligible_at is None


def test_an_opening_at_the_expiry_or_later_suppresses_and_a_second_earlier_defers() -> None:
    assert quiet({}).candidate("05:00", expires_at="2026-05-05T06:00:00Z") == [
        "m suppress quiet_hours"
    ]
    assert quiet({}).candidate("05:00", expires_at="2026-05-05T06:00:01Z") == [
        "m defer quiet_hours 06:00:00Z"
    ]


def test_an_entry_binds_only_what_it_matches_and_all_that_match_must_allow() -> None:
    entries = (
        {"match": {"channel": ["sms", "push"]}},
        {"match": {"channel": "push"}, "allow": {"mon-sun": "10:00-12:00"}},
    )
    assert quiet(*entries).candidate("05:00") == ["m release"]
    assert quiet(*entries).candidate("05:00", channel="sms") == ["m defer quiet_hours 06:00:00Z"]
    assert quiet(*entries).candidate("05:00", channel="push") == ["m defer quiet_hours 08:00:00Z"]
    assert quiet(*entries).candidate("10:00", channel="push") == [
        "m defer quiet_hours 2026-05-06T08:00:00Z"
    ]


def test_a_category_that_skips_quiet_hours_goes_at_any_time_and_is_not_told_of_them() -> None:
    free = {**CATEGORIES, "code": {**CATEGORIES["service"], "skips": ["quiet_hours"]}}
    person = quiet({}, categories=free)
    assert person.candidate("03:00", category="code") == ["m release"]
    assert [f for f in person.findings() if f.rule == "quiet_hours"] == []
    assert person.verdict().send_before is None


def test_quiet_hours_in_shadow_are_judged_and_shown_and_do_not_bind() -> None:
    person = quiet({}, modes={"quiet_hours.q0": "shadow"})
    assert person.candidate("03:00") == ["m release"]
    finding = person.finding("quiet_hours", "q0")
    assert (finding.outcome.name, finding.enforced) == ("DEFER", False)
    assert person.verdict().send_before is None


def test_the_variant_that_may_go_now_goes_and_the_other_gives_its_time() -> None:
    person = quiet({"match": {"channel": "push"}})
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("03:00", variants=variants) == ["m release"]
    assert person.resolutions[-1].verdict.variant == 1
    (loud,) = [f for f in person.findings() if f.rule == "quiet_hours"]
    assert (loud.variant, loud.eligible_at) == ("loud", at("06:00"))


def test_the_profile_says_on_whose_clock() -> None:
    person = quiet({})
    person.profile("00:00", time_zone="America/New_York")
    assert person.candidate("10:00") == ["m defer quiet_hours 12:00:00Z"]
    assert person.profile("10:30", time_zone="Asia/Kolkata") == ["m release"]


def test_a_country_with_several_zones_is_asked_in_all_of_them() -> None:
    person = quiet({"allow": {"mon-sun": "08:00-21:00"}})
    person.profile("00:00", country="US", region="TX")
    assert person.candidate("13:00", "a") == ["a defer quiet_hours 14:00:00Z"]
    assert person.run("14:00") == ["a release"]
    # In Dallas it is nine in the evening, in El Paso eight.
    assert person.candidate("06T02:00", "b") == ["b defer quiet_hours 2026-05-06T14:00:00Z"]


def test_a_person_of_whom_no_place_is_known_is_asked_everywhere() -> None:
    person = quiet({"allow": {"mon-sun": "00:00-24:00"}}, defaults={})
    assert person.candidate("10:00", "a") == ["a release"]
    person = quiet({"allow": {"mon-sun": "08:00-21:00"}}, defaults={})
    assert person.candidate("10:00", "b") == ["b suppress quiet_hours"]


def test_a_released_message_must_arrive_before_the_hours_end() -> None:
    person = quiet({})
    person.candidate("18:59", "a")
    assert person.verdict().send_before == at("19:00")
    person.candidate("18:59:30", "b", expires_at="2026-05-05T18:59:45Z")
    assert person.verdict().send_before == at("18:59:45")


def test_what_waited_over_the_night_is_spread_within_the_jitter_alike_for_a_person() -> None:
    moments = set()
    for number in range(20):
        person = quiet({"jitter": "10m"})
        name = f"p-{number}"
        person.candidate("05:00", "a", person=name)
        assert person.verdict().eligible_at == at("06:00")
        waits = person.standing.waiting[0].wake_at
        assert at("06:00") <= waits < at("06:00") + 10 * MINUTE
        person.candidate("05:01", "b", person=name)
        assert [one.wake_at for one in person.standing.waiting] == [waits, waits]
        moments.add(waits)
    assert len(moments) > 10


def test_jitter_is_another_on_another_day() -> None:
    person = quiet({"jitter": "10m"})
    spread = set()
    for day in range(11, 16):
        person.candidate(f"{day}T03:00", f"m{day}")
        spread.add(person.standing.waiting[-1].wake_at - at(f"{day}T06:00"))
        person.run(f"{day}T12:00")
    assert len(spread) == 5


def test_jitter_never_goes_past_the_closing_or_the_expiry() -> None:
    for number in range(20):
        person = quiet({"allow": {"mon-sun": "08:00-08:01"}, "jitter": "10m"})
        person.candidate("05:00", "a", person=f"p-{number}")
        assert at("06:00") <= person.standing.waiting[0].wake_at < at("06:01")
        person = quiet({"jitter": "10m"})
        person.candidate("05:00", "a", person=f"p-{number}", expires_at="2026-05-05T06:00:30Z")
        assert at("06:00") <= person.standing.waiting[0].wake_at < at("06:00:30")
        assert person.run("06:01") == ["a release"]


def test_jitter_never_goes_past_the_closing_of_other_hours_that_bind_the_message() -> None:
    for number in range(20):
        person = quiet({"jitter": "2h"}, {"allow": {"mon-sun": "07:00-08:01"}})
        person.candidate("04:00", person=f"p-{number}")
        assert at("06:00") <= person.standing.waiting[0].wake_at < at("06:01")
        assert person.run("06:01") == ["m release"]


def test_hours_in_shadow_and_those_of_a_variant_that_waits_on_spread_nothing() -> None:
    push, email = {"match": {"channel": "push"}}, {"match": {"channel": "email"}}
    never = [{"id": "never", **push, "limit": 0, "window": "1h"}]
    for number in range(5):
        person = quiet({}, {"jitter": "2h"}, modes={"quiet_hours.q1": "shadow"})
        person.candidate("04:00", person=f"p-{number}")
        assert person.standing.waiting[0].wake_at == at("06:00")
        person = quiet(email, {**push, "jitter": "2h"}, caps=never)
        variants = [variant("a", "push"), variant("b", "email")]
        person.candidate("04:00", person=f"p-{number}", variants=variants)
        assert person.standing.waiting[0].wake_at == at("06:00")


def test_jitter_does_not_delay_what_frees_in_the_middle_of_the_day() -> None:
    person = quiet({"jitter": "10m"}, caps=[{"id": "c", "limit": 1, "window": "1h"}])
    person.candidate("10:00", "a")
    person.candidate("10:30", "b")
    assert format_second(person.standing.waiting[0].wake_at) == "2026-05-05T11:00:00Z"


def test_what_is_woken_within_its_jitter_goes_at_once() -> None:
    person = quiet({"jitter": "10m"})
    person.candidate("05:00")
    assert person.standing.waiting[0].wake_at > at("06:00:01")
    assert person.profile("06:00:01", time_zone="Europe/Berlin") == ["m release"]


def test_what_is_woken_within_its_jitter_is_woken_at_its_time_and_not_before() -> None:
    cap = {"id": "c", "limit": 1, "window": "24h", "at_cap": "suppress"}
    person = quiet({"jitter": "10m"}, caps=[cap])
    person.candidate("05:00", "a")
    assert person.standing.waiting[0].wake_at > at("06:00:02")
    assert person.candidate("06:00:01", "b") == ["b release"]
    assert person.profile("06:00:02", time_zone="Europe/Berlin") == ["a suppress cap_reached"]

"""Validity: a message goes out only between its own limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.story import Story, at, variant


def willing(**sections: Any) -> Story:
    person = Story(**sections)
    person.grant("2026-01-01T00:00")
    return person


@pytest.mark.parametrize(
    ("when", "said"), [("09:59:59.999", "release"), ("10:00", "suppress expired")]
)
def test_a_message_expires_at_its_expiry(when: str, said: str) -> None:
    assert willing().candidate(when, expires_at="2026-05-05T10:00:00Z") == [f"m {said}"]


def test_a_message_that_names_no_end_expires_a_week_after_its_receipt() -> None:
    person = willing()
    person.steer("01:00", "pause")
    person.candidate("10:00:00.250", created_at="2026-01-01T00:00:00Z")
    assert person.standing.waiting[0].wake_at == at("12T10:00:00.250")
    assert person.run("12T10:00:00.249") == []
    assert person.run("12T10:00:00.250") == ["m suppress expired"]


def test_the_policy_says_how_long_a_message_without_an_end_is_good_for() -> None:
    person = willing(defaults={"time_zone": "UTC", "expires_after": "1h"})
    person.candidate("10:00", not_before="2026-05-05T11:00:00Z")
    assert person.resolutions[-1].verdict.code == "not_yet"
    assert person.verdict().outcome.name == "SUPPRESS"
    assert person.candidate("10:00:00.001", "n", not_before="2026-05-05T11:00:00Z") == [
        "n defer not_yet 11:00:00Z"
    ]


@pytest.mark.parametrize(
    ("when", "said"), [("09:59:59.999", "defer not_yet 10:00:00Z"), ("10:00", "release")]
)
def test_a_message_waits_for_its_beginning(when: str, said: str) -> None:
    assert willing().candidate(when, not_before="2026-05-05T10:00:00Z") == [f"m {said}"]


def test_a_beginning_inside_a_second_is_the_next_full_one() -> None:
    person = willing()
    assert person.candidate("09:00", not_before="2026-05-05T10:00:00.001Z") == [
        "m defer not_yet 10:00:01Z"
    ]
    assert person.run("10:00:01") == ["m release"]


@pytest.mark.parametrize("gap", ["00.000", "00.001"])
def test_a_beginning_at_or_past_the_end_has_no_time_to_wait_for(gap: str) -> None:
    person = willing()
    limits = {"not_before": f"2026-05-05T10:00:{gap}Z", "expires_at": "2026-05-05T10:00:00Z"}
    assert person.candidate("09:00", **limits) == ["m suppress not_yet"]


def test_one_second_is_enough_to_be_sent_in() -> None:
    person = willing()
    limits = {"not_before": "2026-05-05T10:00:00Z", "expires_at": "2026-05-05T10:00:01Z"}
    assert person.candidate("09:00", **limits) == ["m defer not_yet 10:00:00Z"]
    assert person.run("10:00") == ["m release"]


def test_an_expired_message_is_cancelled_first_where_it_is_both() -> None:
    person = willing()
    person.cancel("08:00", message="m")
    assert person.candidate("11:00", expires_at="2026-05-05T10:00:00Z") == ["m suppress cancelled"]


def test_what_is_stopped_is_told_before_what_is_expired_and_that_before_consent() -> None:
    person = Story()
    assert person.candidate("11:00", "a", expires_at="2026-05-05T10:00:00Z") == [
        "a suppress expired"
    ]
    person.steer("11:30", "stop")
    assert person.candidate("12:00", "b", expires_at="2026-05-05T10:00:00Z") == [
        "b suppress kill_switch"
    ]


def test_every_variant_is_told_the_limits_of_the_message() -> None:
    person = willing()
    variants = [variant("a"), variant("b", "push")]
    person.candidate("10:00", variants=variants, expires_at="2026-05-06T00:00:00Z")
    limits = [(f.variant, f.limit) for f in person.findings() if f.id == "expires_at"]
    assert limits == [("a", "2026-05-06T00:00:00.000Z"), ("b", "2026-05-06T00:00:00.000Z")]


def test_a_message_for_ever_is_reckoned_with_to_the_end_of_the_calendar() -> None:
    person = willing(quiet_hours=[{"id": "n", "allow": {"mon-sun": "none"}}])
    limits = {"not_before": "9998-12-31T00:00:00Z", "expires_at": "9999-12-31T23:59:59.999Z"}
    assert person.candidate("10:00", **limits) == ["m suppress not_yet"]
    assert willing().candidate("10:00", **limits) == ["m suppress not_yet"]
    never = {"expires_at": "0001-01-01T00:00:00Z", "created_at": "0001-01-01T00:00:00Z"}
    assert willing().candidate("10:00", **never) == ["m suppress expired"]

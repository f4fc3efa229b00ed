"""Allowed hours as ops write them, and as the calendar reads them."""

from typing import Any

import pytest
from pydantic import ValidationError

from governor.core.policy import Allow
from governor.core.policy.hours import WEEKDAYS, allow_of

DAY_TIME = ((480, 1260),)


def messages(**written: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        allow_of({key.replace("_", "-"): value for key, value in written.items()})
    return [error["msg"] for error in refused.value.errors()]


def test_a_range_includes_both_ends() -> None:
    assert allow_of({"mon-sat": "08:00-21:00", "sun": "none"}) == Allow(
        (DAY_TIME,) * 6 + ((),), None
    )


def test_a_range_may_run_past_sunday() -> None:
    allow = allow_of({"sat-mon": "none", "tue-fri": "08:00-21:00"})
    assert [day for day, spans in zip(WEEKDAYS, allow.days, strict=True) if spans] == [
        "tue",
        "wed",
        "thu",
        "fri",
    ]


def test_days_may_be_listed_in_one_key() -> None:
    allow = allow_of({"mon,wed, fri-sun": "none", "tue,thu": "08:00-21:00"})
    assert [bool(spans) for spans in allow.days] == [False, True, False, True, False, False, False]


def test_a_holiday_is_as_its_weekday_unless_it_is_named() -> None:
    assert allow_of({"mon-sun": "none"}).holiday is None
    assert allow_of({"mon-sun": "none", "holiday": "none"}).holiday == ()
    assert allow_of({"mon-sun": "none", "holiday": "10:00-12:00"}).holiday == ((600, 720),)


def test_midnight_at_the_end_is_24_00() -> None:
    assert allow_of({"mon-sun": "00:00-24:00"}).days[0] == ((0, 1440),)


def test_spans_are_sorted_and_touching_ones_join() -> None:
    spans = ["18:00-20:00", "08:00-12:00", "12:00-13:30"]
    assert allow_of({"mon-sun": spans}).days[0] == ((480, 810), (1080, 1200))


def test_each_missing_day_is_named() -> None:
    (message,) = messages(mon="none", wed_fri="none")
    assert message == "no hours for `tue`, `sat`, `sun`, write `none` to allow none"


def test_each_day_that_is_there_twice_is_named() -> None:
    assert messages(mon_sun="none", tue="none", wed="none") == [
        "`tue` is there twice",
        "`wed` is there twice",
    ]


@pytest.mark.parametrize(
    "hours",
    [
        "8:00-21:00",
        "08:00-24:01",
        "08:60-21:00",
        "24:00-24:00",
        "08:00 - 21:00",
        "closed",
        "",
        480,
        None,
        True,
        ["none"],
        {"from": "08:00"},
    ],
)
def test_what_are_no_hours_is_refused(hours: object) -> None:
    (message,) = messages(mon_sun=hours)
    assert "are no hours" in message


@pytest.mark.parametrize("hours", ["21:00-08:00", "08:00-08:00", ["08:00-12:00", "20:00-02:00"]])
def test_hours_that_end_before_they_start_are_refused(hours: object) -> None:
    (message,) = messages(mon_sun=hours)
    assert "ends before it starts" in message


def test_hours_that_overlap_are_refused() -> None:
    assert messages(mon_sun=["08:00-12:00", "11:59-13:00"]) == ["hours overlap at 11:59"]


@pytest.mark.parametrize("day", ["monday", "mon-", "-mon", "", "mon,", "holidays", "weekend"])
def test_what_is_no_day_is_refused(day: str) -> None:
    with pytest.raises(ValidationError) as refused:
        allow_of({"mon-sun": "none", day: "none"})
    (error,) = refused.value.errors()
    assert error["loc"] == (day,)
    assert error["msg"].startswith("unknown day")

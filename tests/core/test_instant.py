"""Moments in time: what is read, how finely, and how it is written again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.core import instant
from governor.core.instant import (
    DAY,
    ceil_second,
    format_instant,
    format_second,
    from_datetime,
    parse_instant,
    to_datetime,
)

MOMENTS = st.integers(min_value=0, max_value=221_845_392_000_000)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-05-05T10:00:00Z", "2026-05-05T10:00:00.000Z"),
        ("2026-05-05t10:00:00z", "2026-05-05T10:00:00.000Z"),
        ("2026-05-05 10:00:00Z", "2026-05-05T10:00:00.000Z"),
        ("2026-05-05T12:00:00+02:00", "2026-05-05T10:00:00.000Z"),
        ("2026-05-05T10:00:00-00:00", "2026-05-05T10:00:00.000Z"),
        ("2026-05-05T15:30:00.1+05:30", "2026-05-05T10:00:00.100Z"),
        ("2026-05-05T10:00:00.1239Z", "2026-05-05T10:00:00.123Z"),
        ("2026-05-05T10:00:00.999999999Z", "2026-05-05T10:00:00.999Z"),
        ("2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59.999Z"),
        ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000Z"),
        ("1990-12-31T15:59:60.5-08:00", "1991-01-01T00:00:00.500Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_read_to_the_millisecond_and_a_finer_fraction_cut_off(
    text: str, same: str
) -> None:
    assert format_instant(parse_instant(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-05T10:00:00",
        "2026-05-05T10:00Z",
        "2026-05-05",
        "20260505T100000Z",
        "2026-05-05T10:00:00.Z",
        "2026-05-05T10:00:00+0200",
        "2026-13-05T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2026-05-05T24:00:00Z",
        "2026-05-05T10:61:00Z",
        "2026-05-05T10:59:60Z",
        "2026-05-05T23:59:61Z",
        "2026-02-29T23:59:60Z",
        "2026-05-05T10:00:00+25:00",
        " 2026-05-05T10:00:00Z",
        "2026-05-05T10:00:00Z\n",
        "٢٠٢٦-05-05T10:00:00Z",
        "2026-W19-2T10:00:00Z",
        "now",
        "",
        1_777_975_200_000,
        None,
        True,
        datetime(2026, 5, 5, tzinfo=UTC),
    ],
)
def test_what_is_no_time_with_a_zone_is_refused_in_words(text: object) -> None:
    with pytest.raises(ValueError, match=r"time|moment"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-12:00",
        "9000-01-01T00:00:01Z",
    ],
)
def test_the_end_of_the_calendar_stands_for_ever_and_can_be_reckoned_with(text: str) -> None:
    moment = parse_instant(text)
    assert format_second(ceil_second(moment)) == "9000-01-01T00:00:00Z"
    assert format_instant(moment + 36_500 * DAY).startswith("9099-")


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"]
)
def test_the_beginning_of_the_calendar_is_long_ago(text: str) -> None:
    assert parse_instant(text) == 0


@given(MOMENTS)
def test_what_is_written_reads_the_same(moment: int) -> None:
    assert parse_instant(format_instant(moment)) == moment
    assert from_datetime(to_datetime(moment)) == moment


@given(MOMENTS)
def test_the_next_whole_second_is_the_first_that_is_not_before(moment: int) -> None:
    second = ceil_second(moment)
    assert second % 1000 == 0
    assert moment <= second < moment + 1000
    assert parse_instant(format_second(second)) == second


def test_a_time_of_any_length_reads_the_same_and_only_short_ones_are_remembered() -> None:
    longer = "2026-05-05T10:00:00.120" + "0" * 1_000_000 + "Z"
    before = instant._parsed.cache_info().currsize
    assert parse_instant(longer) == parse_instant("2026-05-05T10:00:00.12Z")
    assert instant._parsed.cache_info().currsize <= before + 1

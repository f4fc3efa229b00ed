"""A clock that was moved is not believed before it is back, or has settled."""

from __future__ import annotations

from typing import Any

import pytest

from governor.health import Health
from governor.metrics import Metrics
from governor.stream.clock_watch import SETTLED, ClockWatch
from governor.stream.gate import Gate
from governor.stream.publisher import Parts


class Time:
    """Wall time and monotonic time, moved by the test alone."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000_000
        self.tick = 50.0
        self.watch = ClockWatch(lambda: self.wall, lambda: self.tick)

    def passes(self, seconds: float) -> str | None:
        """Let time pass as it should, looked at every second by both who look."""
        words = None
        for _ in range(round(seconds)):
            self.wall += 1_000
            self.tick += 1
            self.watch.agreed()
            words = self.watch.off()
        return words


@pytest.mark.parametrize("by", [3_600_000, -3_600_000, 5_001, -5_001])
def test_fail_closed_wall_time_that_was_moved_is_not_believed(by: int) -> None:
    time = Time()
    assert time.passes(100) is None
    time.wall += by
    assert time.watch.off() == f"wall time moved {by / 1_000:+.1f} s against monotonic time"
    assert time.passes(SETTLED - 1) is not None


def test_what_was_moved_is_believed_once_it_has_settled() -> None:
    time = Time()
    time.wall += 3_600_000
    assert time.passes(SETTLED + 2) is None
    time.wall -= 3_600_000
    assert time.watch.off() is not None


def test_what_is_back_where_it_was_is_believed_at_once() -> None:
    time = Time()
    time.wall += 3_600_000
    assert time.passes(10) is not None
    time.wall -= 3_600_000
    assert time.watch.off() is None


def test_a_clock_that_goes_on_jumping_or_that_is_contradicted_does_not_settle() -> None:
    time = Time()
    time.watch.off()
    for _ in range(10):
        time.wall += 60_000
        assert time.passes(SETTLED - 5) is not None
    time.watch.doubted()
    assert time.passes(SETTLED - 5) is not None
    time.watch.doubted()
    assert time.passes(SETTLED) is not None
    assert time.passes(2) is None


def test_small_corrections_do_not_add_up() -> None:
    time = Time()
    for _ in range(10):
        time.wall += 3_000
        assert time.passes(SETTLED + 1) is None


def test_a_process_that_stands_still_between_two_looks_at_clocks_accuses_none() -> None:
    ticks = iter([10.0, 10.0, 11.0, 21.0, 21.0, 21.0, *[22.0] * 9])
    walls = iter([1_010_000, 1_021_000, 1_021_000, *[1_022_000] * 9])
    watch = ClockWatch(lambda: next(walls), lambda: next(ticks))
    assert watch.off() is None


def test_fail_closed_the_gate_looks_at_the_clock_before_each_judgement() -> None:
    """Not once a second: in a second a thousand messages may go out."""
    time = Time()
    health = Health(Metrics(), lambda: time.tick)
    parts: dict[str, Any] = dict.fromkeys(Parts.__struct_fields__)
    gate = Gate(Parts(**parts | {"health": health, "late": lambda: None, "moved": time.watch.off}))
    assert not gate.closed()
    time.wall += 3_600_000
    assert gate.closed()
    assert health.holds("clock")

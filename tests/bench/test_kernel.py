"""What is compiled and timed decides something, so that its time means something."""

from bench import kernel
from governor.core.instant import DAY, HOUR

NOW = 100 * DAY
MESSAGE = kernel.Message(1, 2, "email", "marketing", NOW + DAY)
AGREED = [kernel.Said("grant", "marketing", None, NOW - 30 * DAY)]
CAP = kernel.Cap("per-topic", 2, DAY, "24h", "topic")


def outcome(log: list[kernel.Send], said: list[kernel.Said]) -> tuple[int, set[str | None]]:
    strictest, found = kernel.judge(MESSAGE, log, said, [CAP], NOW)
    return int(strictest), {one.code for one in found if one.outcome}


def test_the_kernel_counts_what_a_cap_is_about_and_no_more() -> None:
    alike = [kernel.Send(NOW - place * HOUR, 1, 2, 1.0) for place in (2, 1)]
    other = [kernel.Send(NOW - place * HOUR, 1, 3, 1.0) for place in (2, 1)]
    old = [kernel.Send(NOW - DAY, 1, 2, 1.0)]
    assert outcome(alike, AGREED) == (3, {"cap_reached"})
    assert outcome([*old, *other, *alike[:1]], AGREED) == (0, set())


def test_the_kernel_knows_consent_and_the_ceiling() -> None:
    ended = kernel.Said("withdraw", "marketing", None, NOW - DAY)
    heavy = [kernel.Send(NOW - HOUR, 1, 3, 100.0)]
    assert outcome([], [*AGREED, ended]) == (3, {"no_consent"})
    assert outcome(heavy, AGREED) == (3, {"too_intrusive"})

"""The first second at which something passes, found by going forward and looking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.reference import rules, standing
from tests.reference.case import Case, binding, matches, quiet_edges
from tests.reference.rules import Finding
from tests.reference.times import (
    DAY,
    HOUR,
    SECOND,
    ceil_second,
    duration,
    wall_instants,
)

HORIZON = 60 * DAY


def first_pass(
    passes: Callable[[int], bool], edges: Iterable[int], start: int, end: int, *, smooth: bool
) -> int | None:
    """The first whole second in `[start, end)` that passes, None where there is none.

    Nothing may change between two edges, save the score, which only falls (`smooth`). Both
    promises are checked as far as they can be: the second before a hit has to fail, and so does
    the last one before each edge.
    """
    begin = ceil_second(start)
    points = sorted({begin} | {ceil_second(edge) for edge in edges})
    points = [point for point in points if begin <= point < end]
    for index, point in enumerate(points):
        if passes(point):
            assert point == begin or not passes(point - SECOND), "an edge is missing"
            return point
        following = points[index + 1] if index + 1 < len(points) else ceil_second(end)
        last = following - SECOND
        if last > point and passes(last):
            assert smooth, "an edge is missing"
            return _bisect(passes, point, last)
    return None


def _bisect(passes: Callable[[int], bool], failing: int, passing: int) -> int:
    while passing - failing > SECOND:
        middle = (failing + passing) // 2 // SECOND * SECOND
        if passes(middle):
            passing = middle
        else:
            failing = middle
    return passing


def raw_findings(case: Case, variant: dict[str, Any], at: int) -> list[Finding]:
    """All that does not pass at an instant, before reviews are answered, marked by mode."""
    found = [finding for rule in rules.ORDER for finding in rule(case, variant, at)]
    return [_with_mode(case.policy.get("modes") or {}, finding) for finding in found]


def _with_mode(modes: dict[str, str], finding: Finding) -> Finding:
    mode = modes.get(f"{finding.rule}.{finding.id}", modes.get(finding.rule, "enforce"))
    return Finding(**{**finding.__dict__, "enforced": mode == "enforce"})


def variant_time(
    case: Case, variant: dict[str, Any], now: int, but: str | None = None
) -> int | None:
    """The first second before expiry at which the variant would pass all but review and `but`."""

    def passes(at: int) -> bool:
        found = raw_findings(case, variant, at)
        return not any(f.enforced and f.outcome != "review" and f.rule != but for f in found)

    end = case.message.expires_at
    smooth = case.section("intrusiveness") is not None
    return first_pass(passes, edges(case, variant, now, end), now, end, smooth=smooth)


def finding_time(case: Case, variant: dict[str, Any], finding: Finding, now: int) -> int | None:
    """The first second at which the finding's own rule would pass, looked for 60 days ahead."""
    if not finding.timed:
        return None
    rule = next(rule for rule in rules.ORDER if rule.__name__ == finding.rule)

    def passes(at: int) -> bool:
        return not any(found.id == finding.id for found in rule(case, variant, at))

    end = now + HORIZON
    smooth = finding.rule == "intrusiveness"
    return first_pass(passes, edges(case, variant, now, end), now, end, smooth=smooth)


def edges(case: Case, variant: dict[str, Any], start: int, end: int) -> set[int]:
    """Every instant in a span at which some rule may begin or cease to pass."""
    return _spoken(case, variant) | _slots(case) | _clock(case, variant, start, end)


def _spoken(case: Case, variant: dict[str, Any]) -> set[int]:
    message = case.message
    found = {message.not_before, message.expires_at, variant["offer_ends_at"]}
    for event in case.person.consents:
        found |= {event["until"], event["expires_at"]}
    return {at for at in found if at is not None}


def _slots(case: Case) -> set[int]:
    caps: list[dict[str, Any]] = case.policy.get("caps") or []
    texts = [cap.get("min_gap") or cap["window"] for cap in caps]
    texts += [entry["window"] for entry in [case.category.get("quota")] if entry]
    budget = (case.section("persuasion") or {}).get("budget")
    texts += [budget["window"]] if budget else []
    widths = {duration(text) for text in texts if not text.startswith("calendar")} | {7 * DAY}
    sends = [*case.person.sends, *case.household_sends]
    starts = {send.at for send in sends} | {s["at"] for s in case.person.signals}
    return {at + width for at in starts for width in widths}


def _clock(case: Case, variant: dict[str, Any], start: int, end: int) -> set[int]:
    found: set[int] = set()
    entries = binding(case, variant)
    if entries:
        shut = quiet_edges(case, entries, start - HOUR, end + HOUR)
        found |= shut
        if case.section("intrusiveness") is not None:
            found |= {at + HOUR for at in shut} | {at - HOUR for at in shut}
    windows = {
        cap.get("window", "")
        for cap in case.policy.get("caps") or []
        if matches(cap.get("match"), case.attributes(variant))
    }
    calendar = {window for window in windows if window.startswith("calendar")}
    minutes = range(0, 24 * 60, 60) if "calendar hour" in calendar else [0]
    if calendar or case.person.profile.get("born"):
        names = standing.zones(case.policy, case.person)
        found |= wall_instants(names, minutes, start, end)
    return found

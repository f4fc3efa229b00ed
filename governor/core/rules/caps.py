"""Nobody gets more than the policy's caps allow, counted over what was really released."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from governor.core import model
from governor.core.calendar import calendar_window
from governor.core.case import Case
from governor.core.instant import DAY, SECOND, ceil_second, format_length
from governor.core.policy import Cap, Match, Quota, Window
from governor.core.review import reviewed
from governor.core.standing import REFUNDED, Entry, counted, name64
from governor.core.verdict import Finding, Outcome

_OUTCOMES = {"defer": Outcome.DEFER, "suppress": Outcome.SUPPRESS, "review": Outcome.REVIEW}
_WEEK = Window("rolling", 7 * DAY, "7d")
# A calendar window may be an hour longer than its name, and zones are up to a day apart.
_CALENDAR_SLACK = 2 * DAY


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find every limit on this variant: the category's quota, the caps, the person's own."""
    if case.category.quota is not None:
        yield _quota(case, variant, case.category.quota, at)
    if "caps" in case.category.skips:
        return
    candidate = case.candidate
    own = counted(case.standing.log)
    shared = own if case.household is None else counted(case.household)
    for cap in case.policy.caps:
        if cap.match.accepts(
            candidate.category, candidate.campaign, variant.channel, candidate.topic
        ):
            yield _cap(case, variant, cap, shared if cap.by_household else own, at)
    comfort = case.standing.profile.comfort if case.standing.profile else None
    if comfort is not None and comfort.max_per_week is not None:
        sends = [entry.at for entry in _since(own, at - _WEEK.ms)]
        yield _limit(case, variant, "comfort", comfort.max_per_week, _WEEK, sends, at)


def _quota(case: Case, variant: model.Variant, quota: Quota, at: int) -> Finding:
    name = case.candidate.category
    sends = [
        entry.at
        for entry in _since(case.standing.log, at - quota.window)
        if entry.category == name and entry.settled != REFUNDED
    ]
    window = Window("rolling", quota.window, format_length(quota.window))
    outcome = _OUTCOMES[quota.at_quota]
    code: str | None = "bypass_quota"
    finding = _limit(case, variant, "quota", quota.limit, window, sends, at, outcome, code)
    if finding.outcome is not Outcome.REVIEW:
        return finding
    outcome, code = reviewed(case, variant, at, code="bypass_quota")
    return _limit(case, variant, "quota", quota.limit, window, sends, at, outcome, code)


def _cap(case: Case, variant: model.Variant, cap: Cap, log: Sequence[Entry], at: int) -> Finding:
    outcome = _OUTCOMES[cap.at_cap]
    if cap.silence_after is not None:
        return _silence(case, variant, cap, at)
    code = "household_cap" if cap.by_household else None
    if cap.min_gap is not None:
        sends = _alike(case, variant, cap, log)
        return _gap(case, variant, cap, sends[-1].at if sends else None, at, code or "min_gap")
    assert cap.window is not None  # noqa: S101
    log = _since(log, at - cap.window.longest - (0 if cap.window.ms else _CALENDAR_SLACK))
    times = [entry.at for entry in _alike(case, variant, cap, log)]
    limit, code = cap.open_to(case.candidate.priority), code or "cap_reached"
    return _limit(case, variant, cap.id, limit, cap.window, times, at, outcome, code)


def _since(log: Sequence[Entry], moment: int) -> Sequence[Entry]:
    """Return the releases after *moment*; the log is in order of time."""
    if not log or log[0].at > moment:
        return log
    return log[bisect_right(log, moment, key=_time) :]


def _time(entry: Entry) -> int:
    return entry.at


def _alike(case: Case, variant: model.Variant, cap: Cap, log: Sequence[Entry]) -> Sequence[Entry]:
    """Return the releases that count for *cap* in the group of this variant.

    One look at the log for each thing that the cap tells apart, which most caps do not.
    """
    per, candidate = cap.per, case.candidate
    log = _matching(cap.match, log)
    if "campaign" in per:
        campaign = name64(candidate.campaign)
        log = [entry for entry in log if entry.campaign == campaign]
    if "topic" in per:
        topic = None if candidate.topic is None else name64(candidate.topic)
        log = [entry for entry in log if entry.topic == topic]
    if "category" in per:
        log = [entry for entry in log if entry.category == candidate.category]
    if "channel" in per:
        log = [entry for entry in log if entry.channel == variant.channel]
    return log


def _matching(match: Match, log: Sequence[Entry]) -> Sequence[Entry]:
    if match.category is not None:
        log = [entry for entry in log if entry.category in match.category]
    if match.channel is not None:
        log = [entry for entry in log if entry.channel in match.channel]
    if match.campaign is not None:
        campaigns = {name64(name) for name in match.campaign}
        log = [entry for entry in log if entry.campaign in campaigns]
    if match.topic is not None:
        topics = {name64(name) for name in match.topic}
        log = [entry for entry in log if entry.topic in topics]
    return log


def _limit(
    case: Case,
    variant: model.Variant,
    id: str,
    limit: int,
    window: Window,
    sends: list[int],
    at: int,
    outcome: Outcome = Outcome.DEFER,
    code: str | None = "cap_reached",
) -> Finding:
    if window.kind == "rolling":
        observed, frees = _rolling(limit, window.ms, sends, at)
    else:
        observed, frees = _calendar(case, limit, window.kind, sends, at)
    return case.finding(
        "caps",
        id,
        variant,
        outcome=outcome if observed >= limit else Outcome.RELEASE,
        code=code,
        limit=limit,
        observed=observed,
        window=window.text,
        eligible_at=frees,
    )


def _rolling(limit: int, window: int, sends: list[int], at: int) -> tuple[int, int | None]:
    """Count what was sent since *window* ago, in order of time, and say when a slot frees."""
    inside = sends[bisect_right(sends, at - window) :]
    if limit == 0 or len(inside) < limit:
        return len(inside), None
    return len(inside), ceil_second(inside[len(inside) - limit] + window)


def _calendar(
    case: Case, limit: int, kind: str, sends: list[int], at: int
) -> tuple[int, int | None]:
    """Count in the window of every plausible zone; the largest count and the latest end hold."""
    most, frees = 0, at
    for zone in case.place.zones:
        start, end = calendar_window(zone, kind, at)
        count = sum(sent >= start for sent in sends)
        most = max(most, count)
        if count >= limit:
            frees = max(frees, end)
    if limit == 0 or most < limit:
        return most, None
    again, later = _calendar(case, limit, kind, sends, ceil_second(frees))
    return most, later if again >= limit else ceil_second(frees)


def _gap(
    case: Case, variant: model.Variant, cap: Cap, last: int | None, at: int, code: str
) -> Finding:
    gap = cap.min_gap or 0
    near = last is not None and last > at - gap
    return case.finding(
        "caps",
        cap.id,
        variant,
        outcome=_OUTCOMES[cap.at_cap] if near else Outcome.RELEASE,
        code=code,
        limit=gap / SECOND,
        observed=None if last is None else (at - last) / SECOND,
        eligible_at=None if last is None else ceil_second(last + gap),
    )


def _silence(case: Case, variant: model.Variant, cap: Cap, at: int) -> Finding:
    assert cap.window is not None  # noqa: S101
    signals = cap.silence_after or ()
    channels = (None, variant.channel)
    heard = [e.at for e in case.standing.heard if e.kind in signals and e.channel in channels]
    said = [e.at for e in case.standing.consents if e.action in signals and e.channel in channels]
    last = max((*heard, *said), default=None)
    silent = last is not None and last > at - cap.window.ms
    return case.finding(
        "caps",
        cap.id,
        variant,
        outcome=_OUTCOMES[cap.at_cap] if silent else Outcome.RELEASE,
        code="silence_after_refusal",
        observed=None if last is None else (at - last) / SECOND,
        window=cap.window.text,
        eligible_at=None if last is None else ceil_second(last + cap.window.ms),
    )

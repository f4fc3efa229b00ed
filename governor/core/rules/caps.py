"""Nobody gets more than the policy's caps allow, counted over what was really released."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from governor.core import model
from governor.core.calendar import windows
from governor.core.case import Case, Check
from governor.core.instant import DAY, SECOND, ceil_second, format_length
from governor.core.kind import Kind
from governor.core.policy import Cap, Window
from governor.core.review import reviewed
from governor.core.standing import REFUNDED, Entry, counted, name64
from governor.core.verdict import DEFER, OUTCOMES, RELEASE, REVIEW, Finding, Outcome

replace = msgspec.structs.replace

_WEEK = Window("rolling", 7 * DAY, "7d")
# Written out: every cap that groups asks the whole log, and `getattr` takes twice as long.
_GROUPS: dict[str, Callable[[Sequence[Entry], Any], list[Entry]]] = {
    "category": lambda log, value: [entry for entry in log if entry.category == value],
    "campaign": lambda log, value: [entry for entry in log if entry.campaign == value],
    "channel": lambda log, value: [entry for entry in log if entry.channel == value],
    "topic": lambda log, value: [entry for entry in log if entry.topic == value],
}


def bind(kind: Kind) -> Check:
    """Bind to a kind of messages; every kind is bound, for the person may have said a limit."""
    limits, skips = _Limits(kind), "caps" in kind.category.skips
    return limits.check_quota if skips else limits.check


class _Alike(msgspec.Struct, frozen=True, cache_hash=True):
    """Which releases a cap counts: those that it is about, in the group of the message."""

    about: tuple[tuple[str, frozenset[Any]], ...]
    per: tuple[str, ...]
    by_household: bool

    def times(self, log: Sequence[Entry], candidate: model.Candidate, channel: str) -> list[int]:
        """Return when they were, in order of time; *log* are the releases that hold a slot.

        One look at the log for each thing that the cap tells apart, which most caps do not.
        """
        for name, values in self.about:
            log = [entry for entry in log if getattr(entry, name) in values]
        for name in self.per:
            value = channel if name == "channel" else _hashed(name, getattr(candidate, name))
            log = _GROUPS[name](log, value)
        return [entry.at for entry in log]


class _Bound(msgspec.Struct, frozen=True):
    """A limit as it binds a kind of messages, read out of the policy once.

    `limit` is None where the message or the person decides about it.
    """

    id: str
    limit: int | None
    window: Window | None
    outcome: Outcome
    code: str
    enforced: bool


class _Limits:
    """All that limits a kind of messages: the category's quota, the caps, the person's own."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._quota = _quota(kind)
        enforced = kind.enforced("caps", "comfort")
        self._comfort = _Bound("comfort", None, _WEEK, DEFER, "cap_reached", enforced)
        same: dict[_Alike, _Alike] = {}
        self._caps = [
            (cap, same.setdefault(alike := _alike(cap), alike), _bound(cap, kind))
            for cap in kind.policy.caps
            if kind.meets(cap.match)
        ]

    def check_quota(self, case: Case, variant: model.Variant, at: int) -> list[Finding]:
        """Find whether the category's quota is full, which binds whatever the category skips."""
        bound, name = self._quota, self._kind.name
        if bound is None:
            return []
        times = [
            entry.at
            for entry in case.standing.log
            if entry.category == name and entry.settled != REFUNDED
        ]
        finding = _counted(case, variant, bound, bound.limit or 0, times, at)
        if finding.outcome is not REVIEW:
            return [finding]
        outcome, code = reviewed(case, variant, at, code=bound.code)
        frees = finding.eligible_at if code == bound.code else None
        return [replace(finding, outcome=outcome, code=code, eligible_at=frees)]

    def check(self, case: Case, variant: model.Variant, at: int) -> list[Finding]:
        """Find every limit on this variant."""
        findings = self.check_quota(case, variant, at)
        own = counted(case.standing.log)
        shared = own if case.household is None else counted(case.household)
        known: dict[_Alike, list[int]] = {}
        for cap, alike, bound in self._caps:
            times = known.get(alike)
            if times is None:
                log = shared if alike.by_household else own
                times = known[alike] = alike.times(log, case.candidate, variant.channel)
            if bound.limit is not None:
                findings.append(_counted(case, variant, bound, bound.limit, times, at))
            elif cap.limit is not None:
                limit = cap.open_to(case.candidate.priority)
                findings.append(_counted(case, variant, bound, limit, times, at))
            elif cap.min_gap is not None:
                findings.append(_gap(variant, bound, cap.min_gap, times, at))
            else:
                findings.append(_silence(case, variant, bound, cap, at))
        comfort = case.standing.profile.comfort if case.standing.profile else None
        if comfort is not None and comfort.max_per_week is not None:
            times = [entry.at for entry in own]
            about = (self._comfort, comfort.max_per_week, times, at)
            findings.append(_counted(case, variant, *about))
        return findings


def _quota(kind: Kind) -> _Bound | None:
    quota = kind.category.quota
    if quota is None:
        return None
    window = Window("rolling", quota.window, format_length(quota.window))
    outcome, enforced = OUTCOMES[quota.at_quota], kind.enforced("caps", "quota")
    return _Bound("quota", quota.limit, window, outcome, "bypass_quota", enforced)


def _bound(cap: Cap, kind: Kind) -> _Bound:
    code = "cap_reached" if cap.min_gap is None else "min_gap"
    if cap.silence_after is not None:
        code = "silence_after_refusal"
    return _Bound(
        cap.id,
        cap.limit if cap.reserve is None else None,
        cap.window,
        OUTCOMES[cap.at_cap],
        "household_cap" if cap.by_household else code,
        kind.enforced("caps", cap.id),
    )


def _alike(cap: Cap) -> _Alike:
    names = ((name, getattr(cap.match, name)) for name in _GROUPS)
    about = tuple(
        (name, frozenset(_hashed(name, one) for one in listed))
        for name, listed in names
        if listed is not None
    )
    per = tuple(name for name in _GROUPS if name in cap.per)
    return _Alike(about, per, cap.by_household)


def _hashed(name: str, value: str | None) -> str | int | None:
    """Return how the send log holds a category, campaign, channel or topic."""
    return name64(value) if value is not None and name in ("campaign", "topic") else value


def _counted(
    case: Case,
    variant: model.Variant,
    bound: _Bound,
    limit: int,
    times: Sequence[int],
    at: int,
) -> Finding:
    window = bound.window
    assert window is not None  # noqa: S101
    if window.ms:
        observed, frees = _rolling(limit, window.ms, times, at)
    else:
        observed, frees = _calendar(case, limit, window.kind, times, at)
    outcome, code = (RELEASE, None) if observed < limit else (bound.outcome, bound.code)
    return Finding(
        "caps",
        bound.id,
        variant.id,
        outcome,
        code,
        bound.enforced,
        limit,
        observed,
        window.text,
        frees,
    )


def _rolling(limit: int, window: int, times: Sequence[int], at: int) -> tuple[int, int | None]:
    """Count what was sent since *window* ago, in order of time, and say when a slot frees."""
    count = len(times) - bisect_right(times, at - window)
    if limit == 0 or count < limit:
        return count, None
    return count, ceil_second(times[-limit] + window)


def _calendar(
    case: Case, limit: int, kind: str, times: Sequence[int], at: int
) -> tuple[int, int | None]:
    """Count in the window of every plausible zone; the largest count and the latest end hold."""
    most, frees = 0, at
    for start, end in windows(case.place, kind, at):
        count = len(times) - bisect_left(times, start)
        most = max(most, count)
        if count >= limit:
            frees = max(frees, end)
    if limit == 0 or most < limit:
        return most, None
    again, later = _calendar(case, limit, kind, times, ceil_second(frees))
    return most, later if again >= limit else ceil_second(frees)


def _gap(variant: model.Variant, bound: _Bound, gap: int, times: Sequence[int], at: int) -> Finding:
    last = times[-1] if times else None
    near = last is not None and last > at - gap
    outcome, code = (bound.outcome, bound.code) if near else (RELEASE, None)
    return Finding(
        *("caps", bound.id, variant.id, outcome, code, bound.enforced, gap / SECOND),
        observed=None if last is None else (at - last) / SECOND,
        eligible_at=ceil_second(last + gap) if near and last is not None else None,
    )


def _silence(case: Case, variant: model.Variant, bound: _Bound, cap: Cap, at: int) -> Finding:
    assert cap.window is not None  # noqa: S101
    signals = cap.silence_after or ()
    channels = (None, variant.channel)
    heard = [e.at for e in case.standing.heard if e.kind in signals and e.channel in channels]
    said = [e.at for e in case.standing.consents if e.action in signals and e.channel in channels]
    last = max((*heard, *said), default=None)
    silent = last is not None and last > at - cap.window.ms
    return case.finding(
        "caps",
        bound.id,
        variant,
        outcome=bound.outcome if silent else RELEASE,
        code=bound.code,
        observed=None if last is None else (at - last) / SECOND,
        window=cap.window.text,
        eligible_at=None if last is None else ceil_second(last + cap.window.ms),
    )

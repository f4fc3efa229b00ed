"""Nobody gets more than the policy's caps allow, counted over what was really released."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from governor.core import model
from governor.core.calendar import windows
from governor.core.case import Case, Check
from governor.core.instant import DAY, SECOND, ceil_second, format_length
from governor.core.kind import Kind
from governor.core.policy import Cap, Quota, Window
from governor.core.review import reviewed
from governor.core.standing import REFUNDED, Entry, counted, name64
from governor.core.verdict import Finding, Outcome

_OUTCOMES = {"defer": Outcome.DEFER, "suppress": Outcome.SUPPRESS, "review": Outcome.REVIEW}
_WEEK = Window("rolling", 7 * DAY, "7d")
_TOLD_APART = ("category", "campaign", "channel", "topic")


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, where anything limits how many there are."""
    limits = _Limits(kind)
    quota = kind.category.quota
    if "caps" in kind.category.skips:
        return None if quota is None else limits.check_quota
    return limits.check


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
            log = [entry for entry in log if getattr(entry, name) == value]
        return [entry.at for entry in log]


class _Bound(msgspec.Struct, frozen=True):
    """A cap as it binds a kind of messages."""

    cap: Cap
    alike: _Alike
    outcome: Outcome
    enforced: bool


class _Limits:
    """All that limits a kind of messages: the category's quota, the caps, the person's own."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._comfort_enforced = kind.enforced("caps", "comfort")
        same: dict[_Alike, _Alike] = {}
        self._bound = [
            _Bound(
                cap,
                same.setdefault(alike := _alike(cap), alike),
                _OUTCOMES[cap.at_cap],
                kind.enforced("caps", cap.id),
            )
            for cap in kind.policy.caps
            if kind.meets(cap.match)
        ]

    def check_quota(self, case: Case, variant: model.Variant, at: int) -> list[Finding]:
        """Find whether the category's quota is full, which binds whatever the category skips."""
        quota = self._kind.category.quota
        return [] if quota is None else [self._quota(case, variant, quota, at)]

    def check(self, case: Case, variant: model.Variant, at: int) -> list[Finding]:
        """Find every limit on this variant."""
        findings = self.check_quota(case, variant, at)
        own = counted(case.standing.log)
        shared = own if case.household is None else counted(case.household)
        known: dict[_Alike, list[int]] = {}
        for bound in self._bound:
            alike = bound.alike
            times = known.get(alike)
            if times is None:
                log = shared if alike.by_household else own
                times = known[alike] = alike.times(log, case.candidate, variant.channel)
            findings.append(_cap(case, variant, bound, times, at))
        comfort = case.standing.profile.comfort if case.standing.profile else None
        if comfort is not None and comfort.max_per_week is not None:
            times, enforced = [entry.at for entry in own], self._comfort_enforced
            about = (variant, "comfort", comfort.max_per_week, _WEEK)
            findings.append(_limit(case, *about, times, at, Outcome.DEFER, "cap_reached", enforced))
        return findings

    def _quota(self, case: Case, variant: model.Variant, quota: Quota, at: int) -> Finding:
        name, enforced = self._kind.name, self._kind.enforced("caps", "quota")
        times = [
            entry.at
            for entry in case.standing.log
            if entry.category == name and entry.settled != REFUNDED
        ]
        window = Window("rolling", quota.window, format_length(quota.window))
        about = (variant, "quota", quota.limit, window, times, at)
        outcome = _OUTCOMES[quota.at_quota]
        finding = _limit(case, *about, outcome, "bypass_quota", enforced)
        if finding.outcome is not Outcome.REVIEW:
            return finding
        return _limit(case, *about, *reviewed(case, variant, at, code="bypass_quota"), enforced)


def _alike(cap: Cap) -> _Alike:
    names = ((name, getattr(cap.match, name)) for name in _TOLD_APART)
    about = tuple(
        (name, frozenset(_hashed(name, one) for one in listed))
        for name, listed in names
        if listed is not None
    )
    per = tuple(name for name in _TOLD_APART if name in cap.per)
    return _Alike(about, per, cap.by_household)


def _hashed(name: str, value: str | None) -> str | int | None:
    """Return how the send log holds a category, campaign, channel or topic."""
    return name64(value) if value is not None and name in ("campaign", "topic") else value


def _cap(
    case: Case, variant: model.Variant, bound: _Bound, times: Sequence[int], at: int
) -> Finding:
    cap = bound.cap
    if cap.silence_after is not None:
        return _silence(case, variant, bound, at)
    if cap.window is None:
        return _gap(variant, bound, times[-1] if times else None, at)
    limit = cap.limit if cap.reserve is None else cap.open_to(case.candidate.priority)
    code = "household_cap" if cap.by_household else "cap_reached"
    about = (variant, cap.id, limit or 0, cap.window)
    return _limit(case, *about, times, at, bound.outcome, code, bound.enforced)


def _limit(
    case: Case,
    variant: model.Variant,
    id: str,
    limit: int,
    window: Window,
    times: Sequence[int],
    at: int,
    outcome: Outcome,
    code: str | None,
    enforced: bool,  # noqa: FBT001
) -> Finding:
    if window.ms:
        observed, frees = _rolling(limit, window.ms, times, at)
    else:
        observed, frees = _calendar(case, limit, window.kind, times, at)
    if observed < limit or outcome is Outcome.RELEASE:
        outcome, code, frees = Outcome.RELEASE, None, None
    return Finding(
        "caps", id, variant.id, outcome, code, enforced, limit, observed, window.text, frees
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


def _gap(variant: model.Variant, bound: _Bound, last: int | None, at: int) -> Finding:
    cap = bound.cap
    gap, code = cap.min_gap or 0, "household_cap" if cap.by_household else "min_gap"
    near = last is not None and last > at - gap
    return Finding(
        "caps",
        cap.id,
        variant.id,
        bound.outcome if near else Outcome.RELEASE,
        code if near else None,
        bound.enforced,
        gap / SECOND,
        None if last is None else (at - last) / SECOND,
        eligible_at=None if last is None or not near else ceil_second(last + gap),
    )


def _silence(case: Case, variant: model.Variant, bound: _Bound, at: int) -> Finding:
    cap = bound.cap
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
        outcome=bound.outcome if silent else Outcome.RELEASE,
        code="silence_after_refusal",
        observed=None if last is None else (at - last) / SECOND,
        window=cap.window.text,
        eligible_at=None if last is None else ceil_second(last + cap.window.ms),
    )

"""Judge one message: run every rule on every variant and take the mildest of the strictest."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from governor.core import human_touch, model
from governor.core.calendar import date_text, is_open
from governor.core.case import Case
from governor.core.comfort import held
from governor.core.instant import ceil_second
from governor.core.kind import Bound, Kind, kind_of
from governor.core.review import REVIEW_CODES
from governor.core.rules import findings_of
from governor.core.score import score_of
from governor.core.verdict import DEFER, RELEASE, REVIEW, SUPPRESS, Finding, Outcome, Score, Verdict

_STEPS = 2_000


class Rated(msgspec.Struct, frozen=True):
    """What the rules come to for one variant; at `eligible_at` it would pass all but review."""

    variant: model.Variant
    kind: Kind
    outcome: Outcome
    code: str | None
    findings: tuple[Finding, ...]
    eligible_at: int | None


def decide(case: Case, now: int, *, early: bool = False) -> Verdict:
    """Return the verdict on *case* at *now* (ms).

    All rules run on all variants. A variant's outcome is the strictest of its enforced findings,
    the message's the mildest over its variants, the earlier one first among equals. *early* tells
    that the message was woken before its time: then what lasts only for a time defers it.

    INVARIANT (a-further-rule-never-releases): a rule can only add findings, and more findings
    never make the strictest milder.
    """
    case = held(case, now)
    rated = [_judge(case, variant, now) for variant in case.candidate.variants]
    if case.answers:
        rated = _all_refused(rated)
    outcomes = [one.outcome for one in rated]
    outcome = min(outcomes)
    index = outcomes.index(outcome)
    best = rated[index]
    if outcome is DEFER or early:
        rated = [_timed(case, one) for one in rated]
    if early and outcome is SUPPRESS:
        timed = next((at for at, one in enumerate(rated) if one.eligible_at is not None), None)
        if timed is not None:
            index, outcome, best = timed, DEFER, rated[timed]
    eligible_at = _earliest(rated) if outcome is DEFER else None
    wake_at = None
    if outcome in (DEFER, REVIEW):
        wake_at = _wake_at(case, outcome, eligible_at, rated, now)
    return Verdict(
        outcome,
        index,
        None if outcome is RELEASE else best.code,
        eligible_at,
        tuple(chain.from_iterable([one.findings for one in rated])),
        wake_at,
        _send_before(case, best.kind, now) if outcome is RELEASE else None,
        _score(case, best.variant, best.findings, now),
    )


def recalled(case: Case, verdict: Verdict, at: int) -> Verdict:
    """Return a *verdict* of the moment *at* with what it does not remember made again."""
    index, case, variants = verdict.variant, held(case, at), case.candidate.variants
    kinds = [kind_of(case.policy, case.candidate, variant) for variant in variants]
    found = [
        findings_of(case, kind, variant, at) for kind, variant in zip(kinds, variants, strict=True)
    ]
    return msgspec.structs.replace(
        verdict,
        findings=tuple(chain.from_iterable(found)),
        score=_score(case, variants[index], found[index], at),
        send_before=_send_before(case, kinds[index], at) if verdict.outcome is RELEASE else None,
    )


def _score(
    case: Case, variant: model.Variant, findings: Iterable[Finding], at: int
) -> Score | None:
    """Return the score that a finding carries; it is reckoned anew only where no rule did."""
    for finding in findings:
        if finding.score is not None:
            return finding.score
    return score_of(case, variant, at)


def _send_before(case: Case, kind: Kind, now: int) -> int | None:
    """Return when a release must have arrived: closing time or the engine's own limit."""
    ends = case.candidate.expires_at
    for one in kind.hours:
        closes = one.hours.closes(case.place, now) if one.enforced else None
        if closes is not None and (ends is None or closes < ends):
            ends = closes
    return ends


def _all_refused(rated: list[Rated]) -> list[Rated]:
    """Let a reviewer's refusal of one variant hold for the message as a whole."""
    refusals = (
        finding
        for one in rated
        for finding in one.findings
        if finding.enforced and finding.code == "review_refused"
    )
    refusal = next(refusals, None)
    if refusal is None:
        return rated
    return [_refused(one, refusal) for one in rated]


def _refused(rated: Rated, refusal: Finding) -> Rated:
    if any(finding.code == "review_refused" for finding in rated.findings if finding.enforced):
        return rated
    shared = msgspec.structs.replace(refusal, variant=rated.variant.id)
    own = _first(rated.findings, SUPPRESS)
    code = refusal.code if own is None else own.code
    findings = (*rated.findings, shared)
    return Rated(rated.variant, rated.kind, SUPPRESS, code, findings, None)


def _judge(case: Case, variant: model.Variant, now: int) -> Rated:
    kind = kind_of(case.policy, case.candidate, variant)
    findings = findings_of(case, kind, variant, now)
    outcome: Outcome = RELEASE
    for finding in findings:
        if finding.outcome > outcome and finding.enforced:
            outcome = finding.outcome
    if outcome is RELEASE:
        return Rated(variant, kind, outcome, None, findings, ceil_second(now))
    strictest = _first(findings, outcome)
    code = strictest.code if strictest else None
    if outcome is SUPPRESS:
        return Rated(variant, kind, outcome, code, findings, None)
    eligible_at = _eligible_at(case, kind, variant, findings)
    rated = Rated(variant, kind, outcome, code, findings, eligible_at)
    deferring = _first(findings, DEFER)
    timeless = deferring is not None and eligible_at is None
    if timeless and deferring is not None and _hopeless(case, rated):
        return Rated(variant, kind, SUPPRESS, deferring.code, findings, None)
    return rated


def _timed(case: Case, one: Rated) -> Rated:
    """Say when a suppressed variant would pass; that takes long, and is seldom asked."""
    if one.outcome is not SUPPRESS:
        return one
    eligible_at = _eligible_at(case, one.kind, one.variant, one.findings)
    return msgspec.structs.replace(one, eligible_at=eligible_at)


def _first(findings: Iterable[Finding], outcome: Outcome) -> Finding | None:
    return next((f for f in findings if f.enforced and f.outcome is outcome), None)


def _hopeless(case: Case, one: Rated) -> bool:
    """Tell whether a variant that defers without a time could never go.

    A pause by ops waits for them, whatever else defers. What waits for a human does so only if
    all else that defers has a time, because a further rule may not make the outcome milder.
    """
    deferring = [f for f in one.findings if f.enforced and f.outcome is DEFER]
    if any(f.rule == "control" for f in deferring):
        return False
    others = tuple(f for f in deferring if f.rule != human_touch.RULE)
    if len(others) == len(deferring):
        return True
    if not others:
        return False
    return _eligible_at(case, one.kind, one.variant, one.findings, but=human_touch.RULE) is None


def _eligible_at(
    case: Case,
    kind: Kind,
    variant: model.Variant,
    findings: tuple[Finding, ...],
    but: str | None = None,
) -> int | None:
    """Return the first second at which the variant would pass all rules but review and *but*.

    Each blocking rule names the first second at which it would pass; none is passed over by going
    to the latest of these and asking all of them again there.
    """
    moment: int | None = None
    for _ in range(_STEPS):
        blocking = [f for f in findings if _blocks(f) and f.rule != but]
        if not blocking:
            return moment
        for finding in blocking:
            if finding.eligible_at is None or finding.code in REVIEW_CODES:
                return None
            moment = max(moment or 0, finding.eligible_at)
        if moment is None or moment >= case.expires_at:
            return None
        found = findings_of(case, kind, variant, moment)
        findings = tuple(f for f in found if f.code not in REVIEW_CODES)
    return None


def _blocks(finding: Finding) -> bool:
    return finding.enforced and finding.outcome in (DEFER, SUPPRESS)


def _earliest(rated: Sequence[Rated]) -> int | None:
    return min(
        (
            one.eligible_at
            for one in rated
            if one.eligible_at is not None and one.outcome is not REVIEW
        ),
        default=None,
    )


def _wake_at(
    case: Case, outcome: Outcome, eligible_at: int | None, rated: Sequence[Rated], now: int
) -> int:
    moments = [case.expires_at]
    if eligible_at is not None:
        moments.append(eligible_at + _jitter(case, rated, eligible_at))
    since = case.review_since
    if outcome is REVIEW and since is None:
        since = now
    if since is not None and since + case.policy.review.deadline > now:
        moments.append(since + case.policy.review.deadline)
    return max(min(moments), now)


def _jitter(case: Case, rated: Iterable[Rated], at: int) -> int:
    """Spread what opens at *at* over its quiet hours' jitter, never past closing or expiry."""
    bound = [
        hours
        for one in rated
        if one.eligible_at == at and one.outcome is not REVIEW
        for hours in one.kind.hours
        if hours.enforced
    ]
    jitter = max((hours.jitter for hours in bound if _opens(case, hours, at)), default=0)
    if not jitter:
        return 0
    seed = f"{case.candidate.person}|{date_text(case.place, at)}".encode()
    share = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") / 2**64
    closings = (hours.hours.closes(case.place, at) for hours in bound)
    latest = min([case.expires_at, *(end for end in closings if end is not None)])
    return max(0, min(int(share * jitter), latest - 1 - at))


def _opens(case: Case, hours: Bound, at: int) -> bool:
    allow, place = hours.hours.allow, case.place
    return bool(hours.jitter) and is_open(allow, place, at) and not is_open(allow, place, at - 1)

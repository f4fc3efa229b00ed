"""Nobody is hurried without a true end, pressed too often, or pressed at all when vulnerable."""

from collections.abc import Iterator
from functools import partial

from governor.core import model
from governor.core.age import is_minor
from governor.core.case import Case, Check
from governor.core.instant import ceil_second, format_instant, format_length
from governor.core.kind import Kind
from governor.core.policy import Budget, Persuasion
from governor.core.standing import REFUNDED, Entry, name64
from governor.core.verdict import DEFER, RELEASE, SUPPRESS, Finding

_HURRIES = frozenset({"urgency", "scarcity"})


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, unless the policy has no such rule or exempts them."""
    section = kind.policy.persuasion
    if section is None or "persuasion" in kind.category.skips:
        return None
    return partial(_check, section)


def _check(section: Persuasion, case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether the techniques of this variant are true, few enough and fit for the person."""
    if not variant.techniques:
        return
    if section.urgency is not None and not _HURRIES.isdisjoint(variant.techniques):
        yield _urgency(case, variant, at)
    if section.budget is not None:
        yield _budget(case, variant, section.budget, at)
    if section.vulnerable is not None:
        yield _vulnerable(case, variant, section.vulnerable, at)


def _urgency(case: Case, variant: model.Variant, at: int) -> Finding:
    ends, first = variant.offer_ends_at, _first_offer(case, at)
    told_before = first is None or first.offer_ends_at == ends
    true = ends is not None and ends > at and told_before
    known = None if first is None else first.offer_ends_at
    return case.finding(
        "persuasion",
        "urgency",
        variant,
        outcome=RELEASE if true else SUPPRESS,
        code="false_urgency",
        limit=None if known is None else format_instant(known),
        observed="no end" if ends is None else format_instant(ends),
    )


def _first_offer(case: Case, at: int) -> Entry | None:
    """Return the first release of this campaign to this person that hurried them."""
    campaign = name64(case.candidate.campaign)
    since = at - case.policy.retention.history
    offers = (
        entry
        for entry in case.standing.log
        if entry.at > since
        and entry.campaign == campaign
        and not _HURRIES.isdisjoint(entry.techniques)
    )
    return next(offers, None)


def _budget(case: Case, variant: model.Variant, budget: Budget, at: int) -> Finding:
    since = at - budget.window
    pressed = [
        entry.at
        for entry in case.standing.log
        if entry.at > since and entry.techniques and entry.settled != REFUNDED
    ]
    full = len(pressed) >= budget.limit
    frees = None
    if full and budget.limit:
        frees = ceil_second(sorted(pressed)[len(pressed) - budget.limit] + budget.window)
    return case.finding(
        "persuasion",
        "budget",
        variant,
        outcome=DEFER if full else RELEASE,
        code="pressure_budget",
        limit=budget.limit,
        observed=len(pressed),
        window=format_length(budget.window),
        eligible_at=frees,
    )


def _vulnerable(case: Case, variant: model.Variant, listed: frozenset[str], at: int) -> Finding:
    profile = case.standing.profile
    why = None
    if is_minor(profile, case.place, at):
        why = "minor"
    elif profile is not None and not listed.isdisjoint(profile.vulnerabilities):
        # Which one it is concerns nobody who reads decisions.
        why = "vulnerability"
    return case.finding(
        "persuasion",
        "vulnerable",
        variant,
        outcome=SUPPRESS if why else RELEASE,
        code="vulnerable",
        observed=why,
    )

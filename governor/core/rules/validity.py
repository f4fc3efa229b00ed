"""A message goes out only between its own limits, and not once the engine has taken it back."""

from governor.core import model
from governor.core.case import Case, Check
from governor.core.instant import ceil_second, format_instant
from governor.core.kind import Kind
from governor.core.verdict import DEFER, RELEASE, SUPPRESS, Finding


def bind(_kind: Kind) -> Check:
    """Bind to a kind of messages; every kind is bound."""
    return _check


def _check(case: Case, variant: model.Variant, at: int) -> list[Finding]:
    """Find whether the message is cancelled, expired or not yet due."""
    id, not_before = variant.id, case.candidate.not_before
    cancelled = case.cancelled
    expired = case.stale or at >= case.expires_at
    end = format_instant(case.expires_at)
    findings = [
        Finding("validity", "cancelled", id, SUPPRESS, "cancelled")
        if cancelled
        else Finding("validity", "cancelled", id, RELEASE),
        Finding("validity", "expires_at", id, SUPPRESS, "expired", limit=end)
        if expired
        else Finding("validity", "expires_at", id, RELEASE, limit=end),
    ]
    if not_before is not None:
        early = at < not_before
        findings.append(
            case.finding(
                "validity",
                "not_before",
                variant,
                outcome=DEFER if early else RELEASE,
                code="not_yet",
                limit=format_instant(not_before),
                eligible_at=ceil_second(not_before),
            )
        )
    return findings

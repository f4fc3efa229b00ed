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
    cancelled = "cancelled" if case.cancelled else None
    expired = "expired" if case.stale or at >= case.expires_at else None
    end, over = format_instant(case.expires_at), SUPPRESS if expired else RELEASE
    findings = [
        Finding("validity", "cancelled", id, SUPPRESS if cancelled else RELEASE, cancelled),
        Finding("validity", "expires_at", id, over, expired, limit=end),
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

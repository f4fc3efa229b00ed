"""A message goes out only between its own limits, and not once the engine has taken it back."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case
from governor.core.instant import ceil_second, format_instant
from governor.core.verdict import Finding, Outcome


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether the message is cancelled, expired or not yet due."""
    not_before = case.candidate.not_before
    expired = case.stale or at >= case.expires_at
    early = not_before is not None and at < not_before
    yield case.finding(
        "validity",
        "cancelled",
        variant,
        outcome=Outcome.SUPPRESS if case.cancelled else Outcome.RELEASE,
        code="cancelled",
    )
    yield case.finding(
        "validity",
        "expires_at",
        variant,
        outcome=Outcome.SUPPRESS if expired else Outcome.RELEASE,
        code="expired",
        limit=format_instant(case.expires_at),
    )
    if not_before is not None:
        yield case.finding(
            "validity",
            "not_before",
            variant,
            outcome=Outcome.DEFER if early else Outcome.RELEASE,
            code="not_yet",
            limit=format_instant(not_before),
            eligible_at=ceil_second(not_before),
        )

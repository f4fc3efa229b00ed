"""What gathered with a better message and would break a limit after it may be dropped for it."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case
from governor.core.verdict import Finding, Outcome


def check(case: Case, variant: model.Variant, _at: int) -> Iterator[Finding]:
    """Find whether the message lost to what was released in the same closing before it."""
    section = case.policy.arbitration
    if case.ahead is None or section is None or section.losers == "wait":
        return
    yield case.finding(
        "arbitration",
        "losers",
        variant,
        outcome=Outcome.SUPPRESS if case.outranked else Outcome.RELEASE,
        code="outranked",
        observed=case.ahead,
    )

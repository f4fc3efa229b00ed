"""What gathered with a better message and would break a limit after it may be dropped for it."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case, Check
from governor.core.kind import Kind
from governor.core.verdict import RELEASE, SUPPRESS, Finding


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, where losing to others drops a message."""
    section = kind.policy.arbitration
    return None if section is None or section.losers == "wait" else _check


def _check(case: Case, variant: model.Variant, _at: int) -> Iterator[Finding]:
    """Find whether the message lost to what was released in the same closing before it."""
    if case.ahead is None:
        return
    yield case.finding(
        "arbitration",
        "losers",
        variant,
        outcome=SUPPRESS if case.outranked else RELEASE,
        code="outranked",
        observed=case.ahead,
    )

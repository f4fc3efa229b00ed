"""Who has had enough automated messages, or has spoken up, hears from a human first."""

from collections.abc import Iterator
from functools import partial

from governor.core import model
from governor.core.case import Case, Check
from governor.core.human_touch import MESSAGES, RULE, SIGNALS, signal_of, unanswered
from governor.core.kind import Kind
from governor.core.policy import HumanTouch
from governor.core.review import reviewed
from governor.core.verdict import OUTCOMES, RELEASE, REVIEW, Finding

_CODE = "needs_human"


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, where a human may have to come before them."""
    section = kind.policy.human_touch
    return None if section is None or kind.name not in section.hold else partial(_check, section)


def _check(section: HumanTouch, case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether a human has to be in touch with the person before this category goes on."""
    if section.messages is not None:
        sent = len(unanswered(case.policy, case.standing, at))
        about = (section, case, variant, at, MESSAGES, sent)
        yield _finding(*about, holds=sent >= section.messages, limit=section.messages)
    if section.signals is not None:
        heard = signal_of(section, case.policy, case.standing, at)
        kind = None if heard is None else heard.kind
        yield _finding(section, case, variant, at, SIGNALS, kind, holds=heard is not None)


def _finding(
    section: HumanTouch,
    case: Case,
    variant: model.Variant,
    at: int,
    id: str,
    observed: float | str | None,
    *,
    holds: bool,
    limit: float | None = None,
) -> Finding:
    outcome = OUTCOMES[section.then] if holds else RELEASE
    code: str | None = _CODE
    if outcome is REVIEW:
        outcome, code = reviewed(case, variant, at, code=_CODE)
    return case.finding(
        RULE, id, variant, outcome=outcome, code=code, limit=limit, observed=observed
    )

"""A message adds no more to what already presses on the person than their ceiling takes."""

from functools import partial

from governor.core import model
from governor.core.case import Case, Check
from governor.core.kind import Kind
from governor.core.policy import Intrusiveness
from governor.core.review import reviewed
from governor.core.score import Scale
from governor.core.verdict import OUTCOMES, RELEASE, REVIEW, Finding


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, unless the policy has no ceiling or exempts them."""
    section = kind.policy.intrusiveness
    if section is None or "intrusiveness" in kind.category.skips:
        return None
    return partial(_check, kind, section, kind.enforced("intrusiveness", "ceiling"))


def _check(
    kind: Kind,
    section: Intrusiveness,
    enforced: bool,  # noqa: FBT001
    case: Case,
    variant: model.Variant,
    at: int,
) -> tuple[Finding]:
    """Find whether the pressure on the person leaves room for the exposure of this variant."""
    scale = Scale(case, kind, section, variant, at)
    score = scale.score(at)
    outcome, eligible_at, code = RELEASE, None, None
    if score.after > scale.ceiling:
        outcome, code = OUTCOMES[section.above], "too_intrusive"
        if outcome is REVIEW:
            outcome, code = reviewed(case, variant, at, code="too_intrusive")
        if code == "too_intrusive":
            eligible_at = scale.first_fit(at)
    return (
        Finding(
            "intrusiveness",
            "ceiling",
            variant.id,
            outcome,
            code,
            enforced,
            scale.ceiling,
            score.after,
            eligible_at=eligible_at,
            score=score,
        ),
    )

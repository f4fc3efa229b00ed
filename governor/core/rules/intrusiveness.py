"""A message adds no more to what already presses on the person than their ceiling takes."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case
from governor.core.review import reviewed
from governor.core.score import Scale
from governor.core.verdict import Finding, Outcome

_OUTCOMES = {"defer": Outcome.DEFER, "review": Outcome.REVIEW, "suppress": Outcome.SUPPRESS}


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether the pressure on the person leaves room for the exposure of this variant."""
    section = case.policy.intrusiveness
    if section is None or "intrusiveness" in case.category.skips:
        return
    scale = Scale(case, section, variant, at)
    score = scale.score(at)
    outcome, eligible_at = Outcome.RELEASE, None
    code: str | None = "too_intrusive"
    if score.after > scale.ceiling:
        outcome = _OUTCOMES[section.above]
        if outcome is Outcome.REVIEW:
            outcome, code = reviewed(case, variant, at, code="too_intrusive")
        if code == "too_intrusive":
            eligible_at = scale.first_fit(at)
    yield case.finding(
        "intrusiveness",
        "ceiling",
        variant,
        outcome=outcome,
        code=code,
        limit=scale.ceiling,
        observed=score.after,
        eligible_at=eligible_at,
        score=score,
    )

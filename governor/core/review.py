"""What reviewers said of a message, for every rule that can end in review."""

from governor.core import model
from governor.core.case import Case
from governor.core.verdict import RELEASE, REVIEW, SUPPRESS, Outcome

REVIEW_CODES = frozenset({"needs_review", "review_refused", "review_expired"})


def reviewed(
    case: Case, variant: model.Variant, at: int, *, code: str, reviewers: int = 1
) -> tuple[Outcome, str | None]:
    """Return what a rule that asks for a review comes to at *at*, given the answers so far.

    A refusal is final, enough approvals of this variant pass it, and after the deadline the
    policy's `on_deadline` holds.
    """
    if any(not answer.approve for answer in case.answers):
        return SUPPRESS, "review_refused"
    approvals = sum(answer.variant in (None, variant.id) for answer in case.answers)
    if approvals >= reviewers:
        return RELEASE, None
    review = case.policy.review
    if case.review_since is None or at < case.review_since + review.deadline:
        return REVIEW, code
    if review.on_deadline == "release":
        return RELEASE, None
    return SUPPRESS, "review_expired"

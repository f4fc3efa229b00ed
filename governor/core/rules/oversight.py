"""What the policy wants a human eye on waits for a reviewer, until the deadline."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

from governor.core import model
from governor.core.case import Case, Check
from governor.core.kind import Kind
from governor.core.policy import ReviewRule
from governor.core.review import reviewed
from governor.core.score import depth_of
from governor.core.verdict import Finding

_WHOLE = 2**64


def sampled(message: str, share: float) -> bool:
    """Tell whether *message* falls into the sampled *share*, the same everywhere and always."""
    fraction = int.from_bytes(hashlib.sha256(message.encode()).digest()[:8], "big") / _WHOLE
    return fraction < share


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, unless no reason for a review is about them."""
    about = [rule for rule in kind.policy.review.rules if kind.meets(rule.when)]
    if not about or "oversight" in kind.category.skips:
        return None
    return partial(_check, about)


def _check(
    rules: Sequence[ReviewRule], case: Case, variant: model.Variant, at: int
) -> Iterator[Finding]:
    """Find the review rules that take this variant, and what reviewers have said of it."""
    candidate = case.candidate
    for rule in rules:
        least = rule.when.depth_at_least
        if least is not None and depth_of(case.policy, variant) < least:
            continue
        if rule.sample < 1 and not sampled(candidate.id, rule.sample):
            continue
        outcome, code = reviewed(case, variant, at, code="needs_review", reviewers=rule.reviewers)
        yield case.finding(
            "oversight", rule.id, variant, outcome=outcome, code=code, limit=rule.reviewers
        )

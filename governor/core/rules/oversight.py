"""What the policy wants a human eye on waits for a reviewer, until the deadline."""

import hashlib
from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case
from governor.core.policy import When
from governor.core.review import reviewed
from governor.core.score import depth_of
from governor.core.verdict import Finding

_WHOLE = 2**64


def sampled(message: str, share: float) -> bool:
    """Tell whether *message* falls into the sampled *share*, the same everywhere and always."""
    fraction = int.from_bytes(hashlib.sha256(message.encode()).digest()[:8], "big") / _WHOLE
    return fraction < share


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find the review rules that take this variant, and what reviewers have said of it."""
    if "oversight" in case.category.skips:
        return
    candidate = case.candidate
    for rule in case.policy.review.rules:
        if not _takes(rule.when, case, variant):
            continue
        if rule.sample < 1 and not sampled(candidate.id, rule.sample):
            continue
        outcome, code = reviewed(case, variant, at, code="needs_review", reviewers=rule.reviewers)
        yield case.finding(
            "oversight", rule.id, variant, outcome=outcome, code=code, limit=rule.reviewers
        )


def _takes(when: When, case: Case, variant: model.Variant) -> bool:
    candidate = case.candidate
    deep = when.depth_at_least is None or depth_of(case.policy, variant) >= when.depth_at_least
    return deep and when.accepts(
        candidate.category, candidate.campaign, variant.channel, candidate.topic
    )

"""One message before the rules: everything that a judgement of it may look at."""

from collections.abc import Callable, Iterable
from typing import Self

import msgspec

from governor.core import model
from governor.core.calendar import Place
from governor.core.policy import Category, Policy
from governor.core.standing import Answer, ControlState, Entry, Standing
from governor.core.verdict import RELEASE, Finding, Outcome, Score


class Case(msgspec.Struct, frozen=True):
    """A message, its person and what is in force, as the rules see them.

    `received_at` is when governor first saw the message, `expires_at` when it expires at the
    latest. `stale` tells that its record is older than verdicts are remembered. `review_since`
    is its first decision with outcome review, `answers` are the reviewers' first answers. `ahead`
    counts what was released before it as their window closed, None when none closes; `outranked`
    tells that it would have passed but for those. `household` are the other releases to the
    household, None where there is none to count.
    """

    policy: Policy
    category: Category
    candidate: model.Candidate
    standing: Standing
    control: ControlState
    place: Place
    received_at: int
    expires_at: int
    stale: bool = False
    cancelled: bool = False
    review_since: int | None = None
    answers: tuple[Answer, ...] = ()
    ahead: int | None = None
    outranked: bool = False
    household: tuple[Entry, ...] | None = None

    def as_of(self, moment: int) -> Self:
        """Return the case without what the household has got since *moment* (ms)."""
        if self.household is None:
            return self
        before = tuple(entry for entry in self.household if entry.at <= moment)
        return msgspec.structs.replace(self, household=before)

    def finding(
        self,
        rule: str,
        id: str,
        variant: model.Variant,
        *,
        outcome: Outcome = RELEASE,
        code: str | None = None,
        limit: float | str | None = None,
        observed: float | str | None = None,
        window: str | None = None,
        eligible_at: int | None = None,
        score: Score | None = None,
    ) -> Finding:
        """Write down what a rule says, and whether the policy's mode makes it bind."""
        passed = outcome is RELEASE
        return Finding(
            rule,
            id,
            variant.id,
            outcome,
            None if passed else code,
            self.policy.modes.enforced(rule, id),
            limit,
            observed,
            window,
            None if passed else eligible_at,
            score,
        )


Check = Callable[[Case, model.Variant, int], Iterable[Finding]]
"""What a rule says of a variant of a case at a moment (ms)."""

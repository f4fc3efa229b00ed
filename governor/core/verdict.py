"""What a judgement says: the outcome, and every finding that led to it."""

import enum
from typing import Final

import msgspec


class Outcome(enum.IntEnum):
    """What may become of a message, from the mildest to the strictest."""

    RELEASE = 0
    DEFER = 1
    REVIEW = 2
    SUPPRESS = 3

    # Enum's own hashes the name, in Python; these are counted for every finding.
    __hash__ = int.__hash__


# Of Enum a member is ten times as slow to reach by its class as by a name of its own.
RELEASE: Final = Outcome.RELEASE
DEFER: Final = Outcome.DEFER
REVIEW: Final = Outcome.REVIEW
SUPPRESS: Final = Outcome.SUPPRESS

OUTCOME_NAMES = {outcome: outcome.name.lower() for outcome in Outcome}
OUTCOMES = {name: outcome for outcome, name in OUTCOME_NAMES.items()}
"""Outcomes by the name that policies and records have for them."""


class Score(msgspec.Struct, frozen=True, gc=False):
    """The sum behind an intrusiveness finding, in points."""

    exposure: float
    pressure: float
    after: float
    ceiling: float


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What one rule says of one variant.

    `eligible_at` is the first second (ms) at which this rule would pass on the standing as it
    is, None when no such moment is known. `limit` and `observed` share one unit, that of the
    rule: a count, points, or seconds. `score` is the sum behind a finding on intrusiveness.
    """

    rule: str
    id: str
    variant: str
    outcome: Outcome
    code: str | None = None
    enforced: bool = True
    limit: float | str | None = None
    observed: float | str | None = None
    window: str | None = None
    eligible_at: int | None = None
    score: Score | None = None


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What is decided on one message at one moment.

    `variant` is the index of the deciding variant, `wake_at` the moment (ms) to judge again at
    the latest when the verdict is not final; it includes jitter, which `eligible_at` does not.
    `send_before` is when a release must have arrived (ms), None when nothing limits it.
    """

    outcome: Outcome
    variant: int
    code: str | None
    eligible_at: int | None
    findings: tuple[Finding, ...]
    wake_at: int | None = None
    send_before: int | None = None
    score: Score | None = None

    @property
    def final(self) -> bool:
        """Tell whether nothing can change this verdict any more."""
        return self.outcome is RELEASE or self.outcome is SUPPRESS

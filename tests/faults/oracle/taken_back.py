"""Releases that were decided, never published and taken back: topics do not show them.

Who has decided a release and does not come to publish it within five seconds asks the ledger again
and may take it back. What was decided on the person in between saw it, and is no less right for
that: it may have withheld more, never less.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.faults.oracle.book import Candidate, message_of, variants_of
from tests.faults.oracle.caps import Send
from tests.faults.oracle.groups import Group, score_known
from tests.faults.oracle.known import Known, When
from tests.faults.oracle.records import instant
from tests.faults.oracle.rules import Message, Rules
from tests.faults.oracle.score import LOUDEST, TOLERANCE
from tests.faults.oracle.verdicts import Decided

_LATE = 5_000
_CLOCKS_DIFFER = 1_000
_AT_ONCE = 2


@dataclass(frozen=True)
class Slow:
    """A decision that came so late that another of the same message may have come before it."""

    candidate: Candidate
    since: int
    decided: Decided


def slow_ones(mine: Sequence[tuple[Candidate, Sequence[Decided]]]) -> list[Slow]:
    """Return those of one person's decisions before which a release may have been taken back."""
    found = []
    for candidate, decisions in mine:
        since = candidate.first_at
        for decided in decisions:
            if decided.at - since > _LATE - _CLOCKS_DIFFER:
                found.append(Slow(candidate, since, decided))
            since = decided.at
    return found


def hidden_at(
    rules: Rules, slow: Sequence[Slow], candidate: Candidate, decided: Decided
) -> Iterator[tuple[Send, ...]]:
    """Yield what may have been released besides at a decision, the simplest first."""
    choices = [
        [_send(rules, one.candidate, variant["id"], decided.at) for variant in variants]
        for one in slow
        if one.candidate.id != candidate.id
        and one.since - _CLOCKS_DIFFER <= decided.at <= one.decided.at
        and one.decided.seq > decided.seq
        for variants in [variants_of(one.candidate.value)]
    ]
    for count in range(1, _AT_ONCE + 1):
        for several in itertools.combinations(choices, count):
            yield from itertools.product(*several)


def _send(rules: Rules, candidate: Candidate, variant: str, at: int) -> Send:
    """Return a release that presses as much as it can: when it was, is not known."""
    message = message_of(candidate.value, variant)
    counts = rules.categories[message.category].counts
    return Send(f"{candidate.id} taken back", at, 0, message, counts, LOUDEST)


def explains(
    group: Group,
    rules: Rules,
    candidate: Candidate,
    decided: Decided,
    known: Known,
    hidden: Sequence[Send],
) -> bool:
    """Tell whether a decision is right if *hidden* was released besides what is *known*.

    A release has to be right without it too, and so has the time at which a message may go.
    """
    message = message_of(candidate.value, decided.value["variant"])
    more = known.besides(hidden)
    code, now = decided.value["code"], When(decided.at, decided.at)
    if decided.value["outcome"] == "release":
        if group.reasons(rules, candidate, message, now, known):
            return False
    elif code in group.promises:
        in_doubt = replace(now, doubt=-TOLERANCE)
        if code not in group.reasons(rules, candidate, message, in_doubt, more):
            return False
        at = instant(decided.value["eligible_at"])
        if at is not None and len(variants_of(candidate.value)) == 1:
            then = When(at, decided.at)
            if group.reasons(rules, candidate, message, then, known):
                return False
    return group.figures is None or _between(rules, message, decided, known, more)


def _between(rules: Rules, message: Message, decided: Decided, known: Known, more: Known) -> bool:
    """Tell whether what a decision shows lies between what presses without and with the hidden."""
    now = When(decided.at, decided.at)
    low, high = score_known(rules, message, now, known), score_known(rules, message, now, more)
    shown: Mapping[str, float] | None = decided.value["intrusiveness"]
    if low is None or high is None or shown is None or decided.value.get("reconstructed"):
        return True
    near = 1e-4
    return (
        any(abs(shown["exposure"] - one.exposure) < near for one in (low, high))
        and abs(shown["ceiling"] - low.ceiling) < near
        and low.pressure - near < shown["pressure"] < high.pressure + near
    )

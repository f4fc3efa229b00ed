"""A message arrives only in the hours that its channel is allowed on the person's own clock."""

from collections.abc import Iterator

from governor.core import model
from governor.core.calendar import next_open
from governor.core.case import Case
from governor.core.instant import ceil_second
from governor.core.policy import QuietHours
from governor.core.verdict import Finding, Outcome


def binding(case: Case, variant: model.Variant) -> Iterator[QuietHours]:
    """Yield the entries that this variant has to keep to."""
    if "quiet_hours" in case.category.skips:
        return
    candidate = case.candidate
    for entry in case.policy.quiet_hours:
        if entry.match.accepts(
            candidate.category, candidate.campaign, variant.channel, candidate.topic
        ):
            yield entry


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether *at* is allowed in every zone the person may be in."""
    for entry in binding(case, variant):
        opening = next_open(entry.allow, case.place, at)
        outcome = Outcome.RELEASE
        if opening != at:
            outcome = Outcome.DEFER if entry.outside == "defer" else Outcome.SUPPRESS
        yield case.finding(
            "quiet_hours",
            entry.id,
            variant,
            outcome=outcome,
            code="quiet_hours",
            eligible_at=None if opening is None else ceil_second(opening),
        )

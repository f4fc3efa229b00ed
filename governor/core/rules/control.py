"""Nothing goes out that ops have paused or stopped: a pause holds it back, a stop drops it."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case
from governor.core.verdict import Finding, Outcome


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:  # noqa: ARG001
    """Find the stops and pauses whose scope covers this variant; both bind every category."""
    candidate = case.candidate
    about = (candidate.campaign, variant.channel, candidate.category)
    stopped = any(scope.covers(*about) for scope in case.control.stops)
    paused = any(scope.covers(*about) for scope in case.control.pauses)
    yield case.finding(
        "control",
        "stop",
        variant,
        outcome=Outcome.SUPPRESS if stopped else Outcome.RELEASE,
        code="kill_switch",
    )
    yield case.finding(
        "control",
        "pause",
        variant,
        outcome=Outcome.DEFER if paused else Outcome.RELEASE,
        code="paused_campaign",
    )

"""Nothing goes out that ops have paused or stopped: a pause holds it back, a stop drops it."""

from governor.core import model
from governor.core.case import Case, Check
from governor.core.kind import Kind
from governor.core.verdict import DEFER, RELEASE, SUPPRESS, Finding


def bind(_kind: Kind) -> Check:
    """Bind to a kind of messages; both bind every kind."""
    return _check


def _check(case: Case, variant: model.Variant, _at: int) -> tuple[Finding, Finding]:
    """Find the stops and pauses whose scope covers this variant."""
    control, candidate = case.control, case.candidate
    stop = pause = RELEASE
    if control.stops or control.pauses:
        about = (candidate.campaign, variant.channel, candidate.category)
        if any(scope.covers(*about) for scope in control.stops):
            stop = SUPPRESS
        if any(scope.covers(*about) for scope in control.pauses):
            pause = DEFER
    return (
        Finding("control", "stop", variant.id, stop, "kill_switch" if stop else None),
        Finding("control", "pause", variant.id, pause, "paused_campaign" if pause else None),
    )

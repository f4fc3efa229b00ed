"""The rules, one to a file; each checks one variant of a case at one moment.

A rule binds to a kind of messages first, so that a message meets only what is about it: `bind`
returns its check, None where it has nothing to say to that kind.
"""

from collections.abc import Callable

from governor.core import model
from governor.core.case import Case, Check
from governor.core.kind import Kind
from governor.core.rules import (
    arbitration,
    caps,
    consent,
    control,
    human_touch,
    intrusiveness,
    oversight,
    persuasion,
    purpose,
    quiet_hours,
    validity,
)
from governor.core.verdict import Finding

RULES: tuple[Callable[[Kind], Check | None], ...] = (
    control.bind,
    validity.bind,
    consent.bind,
    purpose.bind,
    persuasion.bind,
    caps.bind,
    intrusiveness.bind,
    quiet_hours.bind,
    oversight.bind,
    human_touch.bind,
    arbitration.bind,
)
"""All rules in the order in which they name the reason of a verdict."""


def findings_of(case: Case, kind: Kind, variant: model.Variant, at: int) -> tuple[Finding, ...]:
    """Return what every rule says of *variant*, which is of *kind*, at the moment *at* (ms)."""
    if kind.checks is None:
        bound = (bind(kind) for bind in RULES)
        kind.checks = tuple(check for check in bound if check is not None)
    found: list[Finding] = []
    for check in kind.checks:
        found.extend(check(case, variant, at))
    return tuple(found)

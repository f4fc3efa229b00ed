"""The rules, one to a file; each checks one variant of a case at one moment."""

from collections.abc import Callable, Iterable

from governor.core import model
from governor.core.case import Case
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

Check = Callable[[Case, model.Variant, int], Iterable[Finding]]

RULES: tuple[Check, ...] = (
    control.check,
    validity.check,
    consent.check,
    purpose.check,
    persuasion.check,
    caps.check,
    intrusiveness.check,
    quiet_hours.check,
    oversight.check,
    human_touch.check,
    arbitration.check,
)
"""All rules in the order in which they name the reason of a verdict."""

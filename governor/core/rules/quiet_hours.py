"""A message arrives only in the hours that its channel is allowed on the person's own clock."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case, Check
from governor.core.instant import ceil_second
from governor.core.kind import Kind
from governor.core.verdict import OUTCOMES, RELEASE, Finding


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, where any hours are about it."""
    bound = kind.hours
    if not bound:
        return None

    def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
        """Find whether *at* is allowed in every zone the person may be in."""
        for one in bound:
            opening = one.hours.next_open(case.place, at)
            if opening == at:
                yield Finding("quiet_hours", one.id, variant.id, RELEASE, enforced=one.enforced)
            else:
                yield Finding(
                    "quiet_hours",
                    one.id,
                    variant.id,
                    OUTCOMES[one.outside],
                    "quiet_hours",
                    one.enforced,
                    eligible_at=None if opening is None else ceil_second(opening),
                )

    return check

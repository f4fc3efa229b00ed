"""Whether a release says what the person was told before, under another id."""

from collections.abc import Sequence

import msgspec

from governor.core.policy import Policy
from governor.core.resolution import Resolution
from governor.core.standing import REFUNDED, Entry, Standing


def marked(
    policy: Policy, standing: Standing, resolutions: Sequence[Resolution]
) -> tuple[Resolution, ...]:
    """Return *resolutions*, those marked that repeat a content of the last `retention.verdicts`.

    For so long a message that comes again under its own id keeps its verdict.
    """
    return tuple(
        [
            msgspec.structs.replace(one, resubmitted=True)
            if one.entry is not None and _said_before(policy, standing, one.entry)
            else one
            for one in resolutions
        ]
    )


def _said_before(policy: Policy, standing: Standing, entry: Entry) -> bool:
    if not entry.content:
        return False
    since = entry.at - policy.retention.verdicts
    return any(
        other.message != entry.message
        and since < other.at
        and (other.at, other.seq) < (entry.at, entry.seq)
        and other.settled != REFUNDED
        for other in [one for one in standing.log if one.content == entry.content]
    )

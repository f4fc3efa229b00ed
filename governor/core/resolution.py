"""What a turn decided on one message, ready to be published."""

import msgspec

from governor.core.incoming import Incoming
from governor.core.standing import Entry, Waiting
from governor.core.verdict import Verdict


class Resolution(msgspec.Struct, frozen=True):
    """What a turn decided on one message, ready to be published.

    `decision_id` is the same whenever and wherever this decision is made again; `seq` is the
    version of the person's standing after it. `reconstructed` tells that the findings were made
    again for a repeat. Attempt 0 is no decision: the message gathers, which is kept and not told.
    """

    incoming: Incoming
    key: str
    verdict: Verdict
    decision_id: str
    attempt: int
    seq: int
    decided_at: int
    entry: Entry | None = None
    waiting: Waiting | None = None
    was_waiting: bool = False
    repeat: bool = False
    reconstructed: bool = False

    @property
    def gathers(self) -> bool:
        """Tell whether nothing is decided yet: the message waits for its rivals."""
        return self.attempt == 0

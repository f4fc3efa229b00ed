"""What a turn decided on one message, and whom it hands over, ready to be published."""

import msgspec

from governor.core.incoming import Incoming
from governor.core.standing import Entry, Waiting
from governor.core.verdict import Verdict


class Resolution(msgspec.Struct, frozen=True):
    """What a turn decided on one message, ready to be published.

    `decision_id` is the same whenever and wherever this decision is made again, `policy` the
    revision of what it was made under; `seq` is the version of the person's standing after it.
    `reconstructed` tells that the findings were made again for a repeat, `resubmitted` that the
    person had been told the same under another id. Attempt 0 is no decision: the message gathers,
    which is kept and not told.
    """

    incoming: Incoming
    key: str
    verdict: Verdict
    decision_id: str
    policy: str
    attempt: int
    seq: int
    decided_at: int
    entry: Entry | None = None
    waiting: Waiting | None = None
    was_waiting: bool = False
    repeat: bool = False
    reconstructed: bool = False
    resubmitted: bool = False

    @property
    def gathers(self) -> bool:
        """Tell whether nothing is decided yet: the message waits for its rivals."""
        return self.attempt == 0

    @property
    def revocable(self) -> bool:
        """Tell whether it is a release that was not told before: it may still be taken back."""
        return self.entry is not None and not self.repeat


class Handover(msgspec.Struct, frozen=True):
    """What a human is told who is to be in touch with a person.

    `message` and `campaign` set it off, None where governor does not know their names (any more).
    `channel` is the last one on which something was sent, `since` (ms) when it became necessary.
    `shadow`: it is only counted. `repeat`: it was told before, or may have been.
    """

    id: str
    person: str
    why: str
    since: int
    message: str | None
    campaign: str | None
    channel: str | None
    shadow: bool = False
    repeat: bool = False

"""Whether a person is to hear from a human before another automated message.

It is read from what is known anyway: the feedback that was heard and the send log. A human
contact ends it; what happens at its very moment counts as after it.
"""

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from governor.core.policy import HumanTouch, Policy
from governor.core.standing import Entry, HandedOver, Heard, Standing, counted

RULE = "human_touch"
MESSAGES, SIGNALS = "messages", "signals"

_NEVER = -(2**62)


class Hold(msgspec.Struct, frozen=True):
    """Why and since when (ms) a human is needed.

    `why` is `messages` or a kind of feedback. `message` is the hash of the release that made the
    limit full, None for feedback.
    """

    why: str
    since: int
    enforced: bool
    message: int | None = None


def contacted_at(standing: Standing) -> int:
    """Return when a human was last in touch with the person (ms)."""
    contacts = (one.at for one in standing.heard if one.kind == "human_contacted")
    return max(contacts, default=_NEVER)


def unanswered(policy: Policy, standing: Standing, at: int) -> Sequence[Entry]:
    """Return the automated messages since the last human contact, as known at *at* (ms)."""
    log = standing.log
    first = bisect_left(log, _since(policy, standing, at), key=_time)
    return counted(log[first:])


def signal_of(section: HumanTouch, policy: Policy, standing: Standing, at: int) -> Heard | None:
    """Return the first thing that the person let be known since, and a human has to answer."""
    since = _since(policy, standing, at)
    heard = (
        one for one in standing.heard if one.kind in (section.signals or ()) and one.at >= since
    )
    return min(heard, key=lambda one: (one.at, one.kind), default=None)


def hold_of(policy: Policy, standing: Standing, at: int) -> Hold | None:
    """Return what holds the person at *at* (ms): what is enforced, else what is in shadow."""
    section = policy.human_touch
    if section is None:
        return None
    holds = []
    if section.messages is not None:
        sent = unanswered(policy, standing, at)
        if len(sent) >= section.messages:
            full, binds = sent[section.messages - 1], policy.modes.enforced(RULE, MESSAGES)
            holds.append(Hold(MESSAGES, full.at, binds, full.message))
    heard = signal_of(section, policy, standing, at)
    if heard is not None:
        holds.append(Hold(heard.kind, heard.at, policy.modes.enforced(RULE, SIGNALS)))
    return min(holds, key=lambda one: (not one.enforced, one.since, one.why), default=None)


def still_open(standing: Standing, since: int) -> HandedOver | None:
    """Return what was handed over later than *since* (ms) and no human contact has ended."""
    handed = standing.handed
    if handed is None or handed.since <= since or handed.since < contacted_at(standing):
        return None
    return handed


def _since(policy: Policy, standing: Standing, at: int) -> int:
    return max(contacted_at(standing), at - policy.retention.history + 1)


def _time(entry: Entry) -> int:
    return entry.at

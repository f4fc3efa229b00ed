"""Write into a standing again what the topics tell of it; telling it twice changes nothing."""

from typing import Any

import msgspec

from governor.core.instant import parse_instant
from governor.core.record import is_final
from governor.core.standing import Entry, Judged, Standing, Waiting, name64

replace = msgspec.structs.replace


def entry_of(told: dict[str, Any], entry: dict[str, Any], at: int) -> Entry:
    """Return the send log's entry that a decision or a released record tells of.

    *told* names message, category, campaign, topic and channel; *entry* is what was published of
    the send log besides. Raises KeyError, TypeError or ValueError for anything else.
    """
    ends = entry["offer_ends_at"]
    topic = told.get("topic")
    return Entry(
        message=name64(told["message"]),
        at=at,
        category=told["category"],
        campaign=name64(told["campaign"]),
        channel=told["channel"],
        topic=None if topic is None else name64(topic),
        household=entry["household"],
        counts=entry["counts"],
        exposure=entry["exposure"],
        techniques=tuple(entry["techniques"]),
        offer_ends_at=None if ends is None else parse_instant(ends),
        variant=told["variant_index"],
        attempt=told["attempt"],
        seq=told["seq"],
        digest=int(told["digest"], 16),
    )


def suppression_of(told: dict[str, Any]) -> Judged:
    """Return what is remembered of the suppression that a decision tells of."""
    return Judged(
        name64(told["message"]),
        parse_instant(told["decided_at"]),
        told["code"],
        told["variant_index"],
        told["attempt"],
        told["seq"],
        int(told["digest"], 16),
    )


def with_final(standing: Standing, final: Entry | Judged) -> Standing:
    """Return the standing with a final verdict in it, unless the message already has one."""
    if is_final(standing, final.message):
        return standing
    waiting = tuple(one for one in standing.waiting if one.message != final.message)
    version = max(standing.version + 1, final.seq)
    if isinstance(final, Judged):
        judged = (*standing.judged, final)
        return replace(standing, version=version, judged=judged, waiting=waiting)
    log = tuple(sorted((*standing.log, final), key=lambda entry: (entry.at, entry.seq)))
    return replace(standing, version=version, log=log, waiting=waiting)


def with_waiting(standing: Standing, waiting: Waiting) -> Standing:
    """Return the standing with *waiting* in it, unless more is known of the message."""
    known = standing.waits(waiting.message)
    if is_final(standing, waiting.message) or (known and known.attempt >= waiting.attempt):
        return standing
    others = tuple(one for one in standing.waiting if one.message != waiting.message)
    settled = replace(waiting, wake_at=waiting.planned_at, unsent=False)
    version = max(standing.version + 1, waiting.seq)
    return replace(standing, version=version, waiting=(*others, settled))


def without_waiting(standing: Standing, message: int) -> Standing:
    """Return the standing without what waited and has been let go."""
    others = tuple(one for one in standing.waiting if one.message != message)
    if len(others) == len(standing.waiting):
        return standing
    return replace(standing, version=standing.version + 1, waiting=others)

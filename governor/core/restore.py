"""Write into a standing again what the topics tell of it; telling it twice changes nothing."""

from typing import Any

import msgspec

from governor.core import facts, model
from governor.core.facts import Alias
from governor.core.incoming import Told
from governor.core.instant import parse_instant
from governor.core.policy import Policy
from governor.core.record import is_final
from governor.core.standing import Entry, HandedOver, Judged, Standing, Waiting, name64

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
        content=int(told.get("content_digest") or "0", 16),
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


def final_of(told: dict[str, Any]) -> Entry | Judged:
    """Return what is kept of the final verdict that a decision tells of; raises as `entry_of`."""
    if told["entry"] is None:
        return suppression_of(told)
    return entry_of(told, told["entry"], parse_instant(told["decided_at"]))


def with_final(standing: Standing, final: Entry | Judged) -> Standing:
    """Return the standing with a final verdict in it.

    INVARIANT (never-above-a-cap): where two are told of one message, a release stands over a
    suppression, because it went out; else the later one stands.
    """
    message = final.message
    known = standing.released(message) or standing.suppressed(message)
    if known is not None and _rank(known) >= _rank(final):
        return standing
    log = [one for one in standing.log if one.message != message]
    judged = [one for one in standing.judged if one.message != message]
    if isinstance(final, Entry):
        log.append(final)
    else:
        judged.append(final)
    return replace(
        standing,
        version=max(standing.version + 1, final.seq),
        log=tuple(sorted(log, key=_moment)),
        judged=tuple(sorted(judged, key=_moment)),
        waiting=tuple(one for one in standing.waiting if one.message != message),
        answers=tuple(one for one in standing.answers if one.message != message),
    )


def handed_of(told: dict[str, Any]) -> HandedOver:
    """Return what is kept of the hand-over that was published; raises as `entry_of`."""
    return HandedOver(str(told["why"]), parse_instant(told["since"]), told["channel"])


def with_handed(standing: Standing, handed: HandedOver) -> Standing:
    """Return the standing with what the topics tell of a hand-over in it; the last one counts."""
    known = standing.handed
    if known is not None and known.since >= handed.since:
        return standing
    return replace(standing, version=standing.version + 1, handed=handed)


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


def with_fact(
    standing: Standing, told: Told, policy: Policy, alias: Alias, *, skew: int
) -> Standing:
    """Return the standing with a fact in it as it was taken when it arrived.

    *skew* (ms) is how far the clocks of its sender and of governor may differ.
    """
    fact = told.fact
    if isinstance(fact, model.ReviewAnswer) and is_final(standing, name64(fact.message)):
        return standing
    if isinstance(fact, model.Feedback):
        entry = standing.released(name64(fact.message))
        if entry is not None and told.record_at + skew < entry.at:
            if entry.attempt > 1:
                # It waited then, and feedback on what is not released is ignored.
                return standing
            # It had not come or gathered; what is said of what was never seen restricts more.
            others = replace(standing, log=tuple(one for one in standing.log if one is not entry))
            unseen = facts.apply(policy, others, told, alias).standing
            return standing if unseen is others else replace(unseen, log=standing.log)
        # INVARIANT (never-above-a-cap): by its time it may have come before the release.
        settles = entry is not None and told.record_at >= entry.at
        return facts.apply(policy, standing, told, alias, settles=settles).standing
    if isinstance(fact, model.Cancellation) and fact.message is None:
        # What came later is not meant.
        taken = facts.cancelled(standing, fact, told.record_at, came_by=told.record_at)
        return taken if taken is standing else replace(taken, version=standing.version + 1)
    return facts.apply(policy, standing, told, alias).standing


def woken(standing: Standing, at: int) -> Standing:
    """Return the standing with all that waits to be looked at by *at* (ms)."""
    waiting = tuple(
        replace(one, wake_at=at) if one.wake_at > at else one for one in standing.waiting
    )
    if waiting == standing.waiting:
        return standing
    return replace(standing, version=standing.version + 1, waiting=waiting)


def _rank(final: Entry | Judged) -> tuple[bool, int, int]:
    return isinstance(final, Entry), final.at, final.seq


def _moment(final: Entry | Judged) -> tuple[int, int]:
    return final.at, final.seq

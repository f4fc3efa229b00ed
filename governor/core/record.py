"""What a verdict leaves behind in a standing, and what is forgotten of it in time."""

from collections.abc import Mapping, Sequence

import msgspec

from governor.core.human_touch import still_open
from governor.core.incoming import Incoming
from governor.core.instant import HOUR, SECOND
from governor.core.policy import Policy
from governor.core.standing import REPEATED, Entry, Judged, Standing, Waiting, name64
from governor.core.verdict import RELEASE, REVIEW, SUPPRESS, Finding, Verdict

replace = msgspec.structs.replace

LOOK_AGAIN = 5 * SECOND
"""How long the worker that made a decision has to publish it before others look."""

# In a week in which a clock is set back, a calendar window is this much longer than its name says.
_SET_BACK = 2 * HOUR


def is_final(standing: Standing, message: int) -> bool:
    """Tell whether *message* has its final verdict."""
    return standing.released(message) is not None or standing.suppressed(message) is not None


def again(known: Entry | Judged | Waiting) -> Verdict:
    """Return the verdict that *known* remembers, without its findings."""
    if isinstance(known, Entry):
        return Verdict(RELEASE, known.variant, None, None, ())
    if isinstance(known, Judged):
        return Verdict(SUPPRESS, known.variant, known.code, None, ())
    return Verdict(known.outcome, known.variant, known.code or None, known.eligible_at, ())


def marked(standing: Standing, entry: Entry) -> Standing:
    """Leave word that a release has been repeated: from now on it may have gone out."""
    log = tuple(replace(one, settled=REPEATED) if one is entry else one for one in standing.log)
    return replace(standing, version=standing.version + 1, log=log)


def policy_fault(incoming: Incoming) -> Verdict:
    """Return the verdict on a message whose category the policy no longer knows."""
    variant, category = incoming.candidate.variants[0], incoming.candidate.category
    outcome, code = SUPPRESS, "policy_fault"
    finding = Finding("validity", "category", variant.id, outcome, code, observed=category)
    return Verdict(outcome, 0, code, None, (finding,))


def written(
    standing: Standing,
    verdict: Verdict,
    left: Waiting | None,
    done: Entry | Judged | None,
    message: int,
) -> Standing:
    """Return the standing with a verdict on *message* in it: what waits on and what is done."""
    waiting, answers = standing.waiting, standing.answers
    if waiting:
        waiting = tuple(one for one in waiting if one.message != message)
    if answers and verdict.final:
        answers = tuple(one for one in answers if one.message != message)
    return replace(
        standing,
        version=standing.version + 1,
        log=(*standing.log, done) if isinstance(done, Entry) else standing.log,
        judged=(*standing.judged, done) if isinstance(done, Judged) else standing.judged,
        waiting=waiting if left is None else (*waiting, left),
        answers=answers,
    )


def release_of(
    incoming: Incoming,
    verdict: Verdict,
    policy: Policy,
    household: str | None,
    *,
    at: int,
    attempt: int,
    seq: int,
) -> Entry:
    """Return the send log's entry of a release, its attributes frozen as they are now."""
    candidate = incoming.candidate
    variant = candidate.variants[verdict.variant]
    return Entry(
        message=name64(candidate.id),
        at=at,
        category=candidate.category,
        campaign=name64(candidate.campaign),
        channel=variant.channel,
        topic=None if candidate.topic is None else name64(candidate.topic),
        household=household,
        counts=policy.categories[candidate.category].counts,
        exposure=verdict.score.exposure if verdict.score else 0.0,
        techniques=tuple(variant.techniques),
        offer_ends_at=variant.offer_ends_at,
        variant=verdict.variant,
        attempt=attempt,
        seq=seq,
        digest=incoming.digest,
        content=incoming.contents[verdict.variant] if incoming.contents else 0,
    )


def suppression_of(
    incoming: Incoming, verdict: Verdict, *, at: int, attempt: int, seq: int
) -> Judged:
    """Return what is remembered of a suppression."""
    message = name64(incoming.candidate.id)
    return Judged(message, at, verdict.code or "", verdict.variant, attempt, seq, incoming.digest)


def waiting_of(
    incoming: Incoming, verdict: Verdict, *, at: int, attempt: int, seq: int, body: bytes
) -> Waiting:
    """Return what waits after a first judgement that was not final."""
    return Waiting(
        message=name64(incoming.candidate.id),
        digest=incoming.digest,
        campaign=name64(incoming.candidate.campaign),
        received_at=at,
        decided_at=at,
        outcome=verdict.outcome,
        code=verdict.code or "",
        variant=verdict.variant,
        eligible_at=verdict.eligible_at,
        wake_at=at if verdict.wake_at is None else verdict.wake_at,
        planned_at=at if verdict.wake_at is None else verdict.wake_at,
        attempt=attempt,
        seq=seq,
        review_since=at if verdict.outcome is REVIEW else None,
        body=body,
    )


def waits_on(waiting: Waiting, verdict: Verdict, *, at: int, attempt: int, seq: int) -> Waiting:
    """Return *waiting* after it was judged again, to be looked at until that is published."""
    since = waiting.review_since
    if since is None and verdict.outcome is REVIEW:
        since = at
    return replace(
        waiting,
        decided_at=at,
        outcome=verdict.outcome,
        code=verdict.code or "",
        variant=verdict.variant,
        eligible_at=verdict.eligible_at,
        wake_at=at + LOOK_AGAIN,
        planned_at=at if verdict.wake_at is None else verdict.wake_at,
        unsent=True,
        attempt=attempt,
        seq=seq,
        review_since=since,
    )


def waits_as(standing: Standing, changes: Mapping[Waiting, Waiting]) -> Standing:
    """Return the standing with what waits changed so."""
    waiting = tuple(changes.get(one, one) for one in standing.waiting)
    return replace(standing, version=standing.version + 1, waiting=waiting)


def held_up(standing: Standing, woken: Sequence[Waiting], now: int) -> Standing:
    """Return the standing with what was *woken* to be looked at when the gate opens again."""
    later = {one: replace(one, wake_at=now) for one in woken if one.wake_at > now}
    return waits_as(standing, later) if later else standing


def forget(policy: Policy, standing: Standing, now: int) -> Standing:
    """Drop what no rule and no repeat can ask for any more.

    INVARIANT (one-verdict): a verdict is kept until every record that could repeat it is older
    than `retention.verdicts`, and so is not judged anew.
    """
    history = now - policy.retention.history
    verdicts = now - policy.retention.verdicts
    if _all_recent(standing, max(history, verdicts)):
        return standing
    waits = {one.message for one in standing.waiting}
    return replace(
        standing,
        heard=tuple(one for one in standing.heard if one.at > history),
        log=tuple(
            replace(one, content=0) if one.content and one.at < verdicts else one
            for one in standing.log
            if one.at > history - _SET_BACK or one.at >= verdicts
        ),
        judged=tuple(one for one in standing.judged if one.at >= verdicts or one.message in waits),
        cancelled=tuple(one for one in standing.cancelled if one.at > min(history, verdicts)),
        answers=tuple(one for one in standing.answers if one.at > verdicts or one.message in waits),
        handed=still_open(standing, history),
    )


def _all_recent(standing: Standing, since: int) -> bool:
    """Tell whether all that can be forgotten is later than *since*, which it most often is."""
    log = standing.log
    if standing.handed is not None or (log and log[0].at <= since):
        return False
    for kept in (standing.judged, standing.heard, standing.cancelled, standing.answers):
        for one in kept:
            if one.at <= since:
                return False
    return True

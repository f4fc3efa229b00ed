"""Which of several messages to one person goes first, and how they gather before any may go.

A message that gathers is a waiting entry with attempt 0: nothing is decided on it yet. Its
`eligible_at` is the moment at which the person's window closes, the same for all that gather.
"""

from collections.abc import Callable, Collection

import msgspec

from governor.core.case import Case
from governor.core.decide import decide, recalled
from governor.core.incoming import Incoming
from governor.core.model import Candidate
from governor.core.policy import Arbitration, Policy
from governor.core.standing import Entry, Judged, Standing, Waiting, name64
from governor.core.verdict import DEFER, RELEASE, Verdict

replace = msgspec.structs.replace

_KEYS: dict[str, Callable[[Candidate], float]] = {
    "priority": lambda candidate: -candidate.priority,
    "value": lambda candidate: -candidate.value,
    "created_at": lambda candidate: candidate.created_at,
}
_DEFAULT = Arbitration()

Woken = tuple[Waiting, Incoming]


def rank(policy: Policy, candidate: Candidate) -> tuple[float | str, ...]:
    """Return the place of *candidate* among what is judged at one moment; the least goes first."""
    section = policy.arbitration or _DEFAULT
    return (*(_KEYS[key](candidate) for key in section.rank), candidate.id)


def ranked(policy: Policy, woken: list[Woken]) -> list[Woken]:
    """Return what is judged at one moment, the best first."""
    return sorted(woken, key=lambda one: rank(policy, one[1].candidate))


def has_window(policy: Policy) -> bool:
    """Tell whether messages gather at all."""
    return policy.arbitration is not None and policy.arbitration.window > 0


def gathering(policy: Policy, standing: Standing, incoming: Incoming, now: int) -> Verdict | None:
    """Return what holds of a new message until its window closes, None when it need not gather.

    The first to come opens the person's window. What is urgent, or has no time left, is judged at
    once.
    """
    section, candidate = policy.arbitration, incoming.candidate
    category = policy.categories.get(candidate.category)
    if section is None or not section.window or incoming.urgent or category is None:
        return None
    if "arbitration" in category.skips or incoming.record_at < now - policy.retention.verdicts:
        return None
    expires_at = candidate.expires_at
    if expires_at is None:
        expires_at = now + policy.defaults.expires_after
    if expires_at <= now:
        return None
    ends = (_end(one) for one in standing.waiting if gathers(one, now))
    end = next(ends, now + section.window)
    return Verdict(DEFER, 0, None, end, (), wake_at=min(end, expires_at))


def gathers(waiting: Waiting, now: int) -> bool:
    """Tell whether the window in which *waiting* gathers is still open."""
    return waiting.attempt == 0 and now < _end(waiting)


def closes(waiting: Waiting, now: int) -> bool:
    """Tell whether the window in which *waiting* gathered closes now."""
    return waiting.attempt == 0 and now >= _end(waiting)


def next_look(waiting: Waiting, now: int) -> int:
    """Return when to look again at a message that gathers on: at its end or when it closes."""
    return waiting.planned_at if waiting.planned_at > now else _end(waiting)


def at_closing(
    case: Case,
    now: int,
    made: Collection[tuple[int, int]],
    household_but_for: Callable[..., tuple[Entry, ...] | None],
) -> Verdict:
    """Judge a message whose window closes; *made* are the messages and attempts of this turn.

    *household_but_for* returns what the household got but for some of the person's messages.
    It is outranked when it would pass but for what they released at this moment before it.
    """
    section = case.policy.arbitration
    if section is None or section.losers == "wait" or "arbitration" in case.category.skips:
        return decide(case, now)
    log = case.standing.log
    ahead = [one for one in log if one.at == now and (one.message, one.attempt) in made]
    case = replace(case, ahead=len(ahead))
    verdict = decide(case, now)
    if verdict.outcome is RELEASE or not ahead:
        return verdict
    others = tuple(one for one in log if one not in ahead)
    alone = replace(
        case,
        standing=replace(case.standing, log=others),
        household=household_but_for(name64(case.candidate.id), *(one.message for one in ahead)),
    )
    if decide(alone, now).outcome is not RELEASE:
        return verdict
    return decide(replace(case, outranked=True), now)


def retold(case: Case, known: Entry | Judged | Waiting, verdict: Verdict, at: int) -> Verdict:
    """Return the *verdict* of the moment *at* that is *known*, its loss to others included."""
    if known.attempt == 0:
        return verdict
    if isinstance(known, Judged) and known.code == "outranked":
        ahead = sum(entry.at == known.at for entry in case.standing.log)
        case = replace(case, ahead=ahead, outranked=True)
    return recalled(case, verdict, at)


def _end(waiting: Waiting) -> int:
    return waiting.planned_at if waiting.eligible_at is None else waiting.eligible_at

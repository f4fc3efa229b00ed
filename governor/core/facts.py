"""Write what is told about a person into their standing."""

import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from governor.core import model
from governor.core.comfort import learn, reset, reset_at
from governor.core.consents import with_event
from governor.core.incoming import Told
from governor.core.policy import Policy
from governor.core.standing import (
    RECOUNTED,
    REFUNDED,
    REPEATED,
    SENT,
    Answer,
    Cancelled,
    Comfort,
    Consent,
    ControlState,
    Entry,
    Heard,
    Profile,
    Scope,
    Standing,
    name64,
)

Alias = Callable[[str], str]

_REMEMBERED = 256
"""More controls than arrive between two commits of offsets."""

replace = msgspec.structs.replace


class Applied(NamedTuple):
    """A standing after a fact. `wakes`: what waits is to be judged again. `note` is for metrics."""

    standing: Standing
    wakes: bool
    note: str | None = None


def apply(
    policy: Policy, standing: Standing, told: Told, alias: Alias, *, settles: bool = True
) -> Applied:
    """Return the standing with *told* in it; its version rises when anything changed.

    *alias* turns a household's name into its pseudonym. Told once more, because a worker died
    before it had committed that, it changes nothing. Without *settles* feedback neither gives
    a slot back nor takes one, and it is not kept that it had no effect.
    """
    fact = told.fact
    if isinstance(fact, model.ConsentChange):
        applied = Applied(_consent(policy, standing, fact), wakes=True)
    elif isinstance(fact, model.Feedback):
        applied = _feedback(policy, standing, fact, told.record_at, settles=settles)
    elif isinstance(fact, model.Profile):
        applied = Applied(_profile(standing, fact, alias), wakes=True)
    elif isinstance(fact, model.Cancellation):
        applied = Applied(cancelled(standing, fact, told.record_at), wakes=True)
    else:
        applied = Applied(_answer(standing, fact), wakes=True)
    if applied.standing is standing:
        return applied
    raised = replace(applied.standing, version=standing.version + 1)
    return applied._replace(standing=raised)


def _consent(policy: Policy, standing: Standing, change: model.ConsentChange) -> Standing:
    if change.action == "comfort_reset":
        return reset(policy.intrusiveness, standing, change.at)
    evidence = change.evidence
    granted = change.action == "grant"
    event = Consent(
        change.action,
        change.purpose,
        change.channel,
        change.topic,
        change.basis if granted else None,
        change.at,
        expires_at=change.expires_at if granted else None,
        until=change.until if change.action == "pause" else None,
        proven=bool(granted and evidence and evidence.notice_version and evidence.method),
    )
    return _with_consent(standing, event)


def _with_consent(standing: Standing, event: Consent) -> Standing:
    consents = with_event(standing.consents, event)
    return standing if consents is standing.consents else replace(standing, consents=consents)


def _profile(standing: Standing, profile: model.Profile, alias: Alias) -> Standing:
    if standing.profile is not None and profile.at < standing.profile.at:
        return standing
    comfort = profile.comfort or model.ComfortChoice()
    known = Profile(
        at=profile.at,
        time_zone=profile.time_zone,
        country=profile.country,
        region=profile.region,
        locale=profile.locale,
        born=profile.born,
        minor=bool(profile.minor),
        vulnerabilities=tuple(sorted(profile.vulnerabilities or ())),
        groups=dict(sorted((profile.groups or {}).items())),
        household=None if profile.household is None else alias(profile.household),
        comfort=Comfort(comfort.level, comfort.max_per_week),
    )
    return standing if known == standing.profile else replace(standing, profile=known)


def cancelled(
    standing: Standing, cancellation: model.Cancellation, at: int, came_by: float = math.inf
) -> Standing:
    """Return the standing with a *cancellation* in it that came at *at* (ms).

    One of a campaign takes back what waits and had come by *came_by* (ms). It is kept that it was
    told: that record read once more would take back what has come since.
    """
    if cancellation.message is not None:
        return _with_mark(standing, cancellation.message, cancellation.at)
    campaign = name64(cancellation.campaign or "")
    told = f"{cancellation.id} {cancellation.campaign} {at}"
    marked = _with_mark(standing, told, at)
    if marked is standing:
        return standing
    waiting = tuple(
        replace(one, cancelled=True)
        if one.campaign == campaign and one.received_at <= came_by
        else one
        for one in marked.waiting
    )
    return replace(marked, waiting=waiting)


def _has_mark(standing: Standing, name: str) -> bool:
    mark = name64(name)
    return any(known.message == mark for known in standing.cancelled)


def _with_mark(standing: Standing, name: str, at: int) -> Standing:
    if _has_mark(standing, name):
        return standing
    return replace(standing, cancelled=(*standing.cancelled, Cancelled(name64(name), at)))


def _answer(standing: Standing, answer: model.ReviewAnswer) -> Standing:
    first = Answer(
        name64(answer.message),
        name64(answer.reviewer),
        answer.answer == "approve",
        answer.variant,
        answer.at,
    )
    if any(
        known.message == first.message and known.reviewer == first.reviewer
        for known in standing.answers
    ):
        return standing
    return replace(standing, answers=(*standing.answers, first))


def _feedback(
    policy: Policy, standing: Standing, feedback: model.Feedback, at: int, *, settles: bool
) -> Applied:
    message = name64(feedback.message)
    entry = standing.released(message)
    waits = standing.waits(message)
    # What gathers is not judged yet, so what is said of it counts as of one never seen.
    waited = entry is None and waits is not None and waits.attempt > 0
    told = f"{_named(feedback)} {at}"
    if waited or (entry is None and standing.suppressed(message)) or _has_mark(standing, told):
        # That record read once more when the message is released would give its slot back.
        kept = _with_mark(standing, told, at) if waited and settles else standing
        return Applied(kept, wakes=False, note="not_released")
    heard = _with_heard(standing, Heard(feedback.kind, feedback.channel, feedback.at))
    heard = _with_lesson(policy, heard, feedback)
    note: str | None = "unknown_message"
    if entry is not None:
        heard, note = _settle(heard, entry, feedback) if settles else (heard, "not_released")
    return Applied(_with_refusal(policy, heard, entry, feedback), wakes=True, note=note)


def _named(feedback: model.Feedback) -> str:
    return f"{feedback.id} {feedback.message} {feedback.kind}"


def _with_heard(standing: Standing, new: Heard) -> Standing:
    for index, held in enumerate(standing.heard):
        if (held.kind, held.channel) == (new.kind, new.channel):
            if new.at <= held.at:
                return standing
            kept = (*standing.heard[:index], new, *standing.heard[index + 1 :])
            return replace(standing, heard=kept)
    return replace(standing, heard=(*standing.heard, new))


def _with_lesson(policy: Policy, standing: Standing, feedback: model.Feedback) -> Standing:
    if feedback.at < reset_at(standing):
        return standing
    kind, at = feedback.kind, feedback.at
    mark = name64(_named(feedback))
    learned = learn(policy.intrusiveness, standing.learned, kind, at, mark)
    return standing if learned is standing.learned else replace(standing, learned=learned)


def _settle(
    standing: Standing, entry: Entry, feedback: model.Feedback
) -> tuple[Standing, str | None]:
    """Give the slot back on a failure, once; take it again when it was delivered after all."""
    if feedback.kind in ("bounced", "failed") and entry.settled in (SENT, REPEATED):
        settled, note = REFUNDED, "refunded"
    elif feedback.kind == "delivered" and entry.settled == REFUNDED:
        settled, note = RECOUNTED, "recounted"
    else:
        return standing, None
    changed = replace(entry, settled=settled)
    log = tuple(changed if one is entry else one for one in standing.log)
    return replace(standing, log=log), note


def _with_refusal(
    policy: Policy, standing: Standing, entry: Entry | None, feedback: model.Feedback
) -> Standing:
    """Take an unsubscription or complaint for the withdrawal that it is."""
    if feedback.kind not in ("unsubscribed", "complained"):
        return standing
    category = policy.categories.get(entry.category) if entry is not None else None
    channel = None
    if feedback.kind == "unsubscribed":
        channel = feedback.channel if entry is None else entry.channel
    purpose = category.purpose if category is not None else "*"
    return _with_consent(standing, Consent("withdraw", purpose, channel, None, None, feedback.at))


def scope_of(control: model.Control) -> Scope:
    """Return what *control* covers."""
    return Scope(control.scope.campaign, control.scope.channel, control.scope.category)


def apply_control(state: ControlState, control: model.Control) -> ControlState:
    """Return the control in force after *control*; lifting with an empty scope lifts all.

    The same control once more changes nothing, whatever came after it.
    """
    scope = scope_of(control)
    mark = name64(f"{control.id} {control.at} {control.action} {scope}")
    if mark in state.applied:
        return state
    pauses, stops = state.pauses, state.stops
    if control.action == "pause":
        pauses |= {scope}
    elif control.action == "stop":
        stops |= {scope}
    elif control.action == "resume":
        pauses = frozenset() if scope == Scope() else pauses - {scope}
    else:
        stops = frozenset() if scope == Scope() else stops - {scope}
    return ControlState(state.version + 1, pauses, stops, (*state.applied, mark)[-_REMEMBERED:])

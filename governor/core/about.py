"""What is known of one person, as values to be told: no payload, and nothing left to work out."""

import math
from collections.abc import Iterator, Sequence
from typing import get_args

import msgspec

from governor.core.comfort import ceiling_of, factor_of, lessons, reset_at
from governor.core.consents import last_pause, objects, said, speaking_of
from governor.core.human_touch import contacted_at, hold_of, still_open, unanswered
from governor.core.instant import DAY
from governor.core.model import Basis
from governor.core.policy import Policy
from governor.core.standing import REFUNDED, ControlState, Standing

_BASES = get_args(Basis)
_ANY_OTHER = "\0"
_NEARLY = 0.01


class Permission(msgspec.Struct, frozen=True):
    """What stands for one purpose; `channel` and `topic` None are all that are not named apart.

    `state` is granted, expired, withdrawn, objected or none. `paused` until `paused_until` (ms),
    for good when that is None.
    """

    purpose: str
    channel: str | None
    topic: str | None
    state: str
    bases: list[str]
    expires_at: int | None
    paused: bool
    paused_until: int | None


class Lesson(msgspec.Struct, frozen=True):
    """The last feedback of a kind that moved what the person takes."""

    kind: str
    channel: str | None
    at: int


class Ease(msgspec.Struct, frozen=True):
    """How much the person takes: what they said, and what their feedback has made of it.

    `matters_until` (ms) is when the factor will be within a hundredth of 1 again.
    """

    level: str | None
    max_per_week: int | None
    factor: float
    ceiling: float | None
    because: list[Lesson]
    matters_until: int | None
    reset_at: int | None


class Sent(msgspec.Struct, frozen=True):
    """How much was sent in the last *window* ms."""

    window: int
    sent: int
    counted: int
    returned: int
    by_channel: dict[str, int]


class HeldForHuman(msgspec.Struct, frozen=True):
    """That a human is to be in touch first; `told` is whether it was handed over."""

    why: str
    since: int
    enforced: bool
    told: bool


class About(msgspec.Struct, frozen=True):
    """What is known of a person at one moment."""

    version: int
    permissions: list[Permission]
    comfort: Ease
    sent: list[Sent]
    last_contact: int | None
    automated_since: int
    human: HeldForHuman | None
    control: list[str]


def about(policy: Policy, standing: Standing, control: ControlState, now: int) -> About:
    """Return what is known at *now* (ms)."""
    contact = contacted_at(standing)
    return About(
        standing.version,
        list(_permissions(policy, standing, now)),
        _ease(policy, standing, now),
        [_sent(standing, window, now) for window in _windows(policy)],
        contact if contact > 0 else None,
        len(unanswered(policy, standing, now)),
        _human(policy, standing, now),
        list(_controls(control)),
    )


def _permissions(policy: Policy, standing: Standing, now: int) -> Iterator[Permission]:
    asked = {category.purpose for category in policy.categories.values()}
    events = [one for one in standing.consents if one.action != "comfort_reset"]
    purposes = asked | {one.purpose for one in events if one.purpose != "*"}
    for purpose in sorted(purposes):
        mine = [one for one in events if one.purpose in (purpose, "*")]
        for channel in _named({one.channel for one in mine}):
            for topic in _named({one.topic for one in mine}):
                yield _permission(standing, now, purpose, channel, topic)


def _named(names: set[str | None]) -> Sequence[str | None]:
    return [*sorted(name for name in names if name is not None), None]


def _permission(
    standing: Standing, now: int, purpose: str, channel: str | None, topic: str | None
) -> Permission:
    matching = speaking_of(standing.consents, purpose, channel or _ANY_OTHER, topic)
    found = said(matching, _BASES)
    live = [one for one in found.grants if one.expires_at is None or now < one.expires_at]
    if objects(matching):
        state = "objected"
    elif live:
        state = "granted"
    elif found.grants:
        state = "expired"
    else:
        state = "withdrawn" if found.withdrawn else "none"
    ends = [one.expires_at for one in live if one.expires_at is not None]
    pause = last_pause(matching)
    paused = pause is not None and (pause.until is None or now < pause.until)
    return Permission(
        purpose,
        channel,
        topic,
        state,
        [one.basis for one in live if one.basis],
        max(ends) if ends and len(ends) == len(live) else None,
        paused,
        pause.until if pause is not None and paused else None,
    )


def _ease(policy: Policy, standing: Standing, now: int) -> Ease:
    section, comfort = policy.intrusiveness, standing.profile and standing.profile.comfort
    reset = reset_at(standing)
    taught = sorted(lessons(standing), key=lambda one: (-one.at, one.kind))
    factor = 1.0 if section is None else factor_of(section, standing, now)
    until = None
    if section is not None and abs(factor - 1.0) > _NEARLY:
        until = now + int(section.learned.half_life * math.log2(abs(factor - 1.0) / _NEARLY))
    return Ease(
        comfort.level if comfort else None,
        comfort.max_per_week if comfort else None,
        round(factor, 4),
        None if section is None else round(ceiling_of(section, standing, now), 2),
        [Lesson(one.kind, one.channel, one.at) for one in taught],
        until,
        reset if reset > 0 else None,
    )


def _windows(policy: Policy) -> list[int]:
    rolling = {cap.window.ms for cap in policy.caps if cap.window and cap.window.ms}
    usual = {DAY, 7 * DAY, 30 * DAY, policy.retention.history}
    return sorted(one for one in rolling | usual if one <= policy.retention.history)


def _sent(standing: Standing, window: int, now: int) -> Sent:
    recent = [one for one in standing.log if one.at > now - window]
    kept = [one for one in recent if one.settled != REFUNDED]
    channels: dict[str, int] = {}
    for one in kept:
        channels[one.channel] = channels.get(one.channel, 0) + 1
    counted = sum(one.counts for one in kept)
    return Sent(window, len(kept), counted, len(recent) - len(kept), channels)


def _human(policy: Policy, standing: Standing, now: int) -> HeldForHuman | None:
    hold = hold_of(policy, standing, now)
    if hold is None:
        return None
    handed = still_open(standing, now - policy.retention.history)
    told = handed is not None and not handed.shadow
    return HeldForHuman(hold.why, hold.since, hold.enforced, told)


def _controls(control: ControlState) -> Iterator[str]:
    for action, scopes in (("pause", control.pauses), ("stop", control.stops)):
        for scope in scopes:
            parts = msgspec.structs.asdict(scope).items()
            named = " ".join(f"{key}={value}" for key, value in parts if value is not None)
            yield f"{action} of {named or 'everything'}"

"""What a person's consent events come to for one purpose, channel and topic.

Events stand on three tracks: grant, refuse and withdraw; object and unobject; pause and resume.
On each the latest matching event holds, whether it names this channel, topic and purpose or all
of them; on equal times the strictest does. What speaks of a message is found first (`speaking_of`).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from governor.core.standing import Consent

_NEVER = 2**62
_REFUSALS = ("refuse", "withdraw")


class Said(NamedTuple):
    """The grants that stand, one per listed basis, and whether a refusal or withdrawal does."""

    grants: list[Consent]
    withdrawn: bool


class Pause(NamedTuple):
    """A pause in force until the moment *until* (ms), for good when None."""

    until: int | None


def speaking_of(
    consents: Iterable[Consent], purpose: str, channel: str, topic: str | None
) -> list[Consent]:
    """Return what was said that speaks about *purpose* on *channel* for *topic*."""
    return [
        event
        for event in consents
        if (event.purpose == purpose or event.purpose == "*")  # noqa: PLR1714 - half the time
        and (event.channel is None or event.channel == channel)
        and (event.topic is None or event.topic == topic)
    ]


def _latest(events: Sequence[Consent], actions: Sequence[str]) -> int:
    latest = -_NEVER
    for event in events:
        if event.action in actions and event.at > latest:
            latest = event.at
    return latest


def said(matching: Sequence[Consent], bases: Sequence[str]) -> Said:
    """Return what stands of grants on *bases*; a refusal ends every grant up to its own time."""
    ended = _latest(matching, _REFUSALS)
    standing: dict[str, Consent] = {}
    for event in matching:
        basis = event.basis
        if event.action != "grant" or basis is None or basis not in bases or event.at <= ended:
            continue
        held = standing.get(basis)
        standing[basis] = event if held is None else stronger(held, event)
    return Said(list(standing.values()), ended > -_NEVER and not standing)


def objects(matching: Sequence[Consent]) -> bool:
    """Tell whether an objection stands; on a tie it does."""
    objected = _latest(matching, ("object",))
    return objected > -_NEVER and objected >= _latest(matching, ("unobject",))


def last_pause(matching: Sequence[Consent]) -> Pause | None:
    """Return the pause that no later resume has lifted."""
    pauses = [event for event in matching if event.action == "pause"]
    if not pauses:
        return None
    paused = max(event.at for event in pauses)
    if paused < _latest(matching, ("resume",)):
        return None
    ends = [
        _NEVER if event.until is None else event.until for event in pauses if event.at == paused
    ]
    until = max(ends)
    return Pause(None if until == _NEVER else until)


def stronger(held: Consent, event: Consent) -> Consent:
    """Return which of two events of one action holds: the later one, the stricter on a tie."""
    if event.at != held.at:
        return max(held, event, key=_time)
    if held.action == "pause":
        return max(held, event, key=_pause_end)
    return min(held, event, key=_grant_strength)


def _time(event: Consent) -> int:
    return event.at


def _pause_end(event: Consent) -> int:
    return _NEVER if event.until is None else event.until


def _grant_strength(event: Consent) -> tuple[int, bool]:
    return (_NEVER if event.expires_at is None else event.expires_at, event.proven)


def with_event(consents: tuple[Consent, ...], event: Consent) -> tuple[Consent, ...]:
    """Add *event*, keeping of each action, purpose, channel, topic and basis what holds."""
    for index, held in enumerate(consents):
        if _key(held) == _key(event):
            winner = stronger(held, event)
            if winner is held:
                return consents
            return (*consents[:index], winner, *consents[index + 1 :])
    return (*consents, event)


def _key(event: Consent) -> tuple[str, str, str | None, str | None, str | None]:
    return (event.action, event.purpose, event.channel, event.topic, event.basis)

"""The lawful basis of a message, from the consent events that are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.faults.oracle.records import Json, instant, moment
from tests.faults.oracle.rules import Category, Message

_NEED_A_GRANT = {"consent", "soft_opt_in"}
_BASED_ON_CONTRACT = {"contract", "legal_obligation"}


def refusal(category: Category, message: Message, events: Iterable[Json], at: int) -> set[str]:
    """Return the codes that say why the message has no lawful basis at *at*; empty when it has."""
    if _BASED_ON_CONTRACT & set(category.basis):
        return set()
    known = [one for one in events if _speaks_of(one, category.purpose, message)]
    found = set()
    if _stands(known, "object", "unobject"):
        found.add("objected")
    found |= _without_grant(category, known, at)
    pause = _stands(known, "pause", "resume")
    if pause is not None:
        until = instant(pause.get("until"))
        if until is None or at < until:
            found.add("person_paused")
    return found


def _speaks_of(event: Json, purpose: str, message: Message) -> bool:
    return (
        event["purpose"] in (purpose, "*")
        and event.get("channel") in (None, message.channel)
        and event.get("topic") in (None, message.topic)
    )


def _stands(events: Sequence[Json], restricts: str, lifts: str) -> Json | None:
    """Return the restriction that is the latest of its track, first on a tie."""
    track = [one for one in events if one["action"] in (restricts, lifts)]
    if not track:
        return None
    last = max(moment(one["at"]) for one in track)
    latest = [one for one in track if moment(one["at"]) == last]
    restricting = [one for one in latest if one["action"] == restricts]
    if not restricting:
        return None
    endless = [one for one in restricting if one.get("until") is None]
    return endless[0] if endless else max(restricting, key=lambda one: moment(one["until"]))


def _without_grant(category: Category, events: Sequence[Json], at: int) -> set[str]:
    ended = [one for one in events if one["action"] in ("refuse", "withdraw")]
    end = max((moment(one["at"]) for one in ended), default=None)
    grants = [
        one
        for one in events
        if one["action"] == "grant"
        and one["basis"] in category.basis
        and (end is None or moment(one["at"]) > end)
    ]
    if any(_valid(grants, basis, at) for basis in category.basis):
        return set()
    asserted = set(category.basis) - _NEED_A_GRANT
    if asserted and (end is None or grants):
        return set()
    if grants:
        return {"consent_expired"}
    return {"consent_withdrawn"} if ended else {"no_consent"}


def _valid(grants: Sequence[Json], basis: str, at: int) -> bool:
    """Tell whether the latest grant of this basis still stands; of two, the shorter one."""
    own = [one for one in grants if one["basis"] == basis]
    if not own:
        return False
    last = max(moment(one["at"]) for one in own)
    ends = [instant(one.get("expires_at")) for one in own if moment(one["at"]) == last]
    return all(end is None or at < end for end in ends)

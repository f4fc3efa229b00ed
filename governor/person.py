"""Looks one person up in the ledger, for the one who asks; nothing is changed."""

import msgspec

from governor.bootstrap import ledger_of, sealer_of, wall
from governor.codec.waiting import decode_body
from governor.config.policy_file import load_policy
from governor.config.settings import Settings
from governor.core.about import About, about
from governor.core.record import is_final
from governor.core.standing import Standing, Waiting
from governor.core.verdict import OUTCOME_NAMES
from governor.ledger.keys import Pseudonyms, SealedError, Sealer, looks_like_pseudonym


class Waits(msgspec.Struct, frozen=True):
    """A message that waits; its names are None where it cannot be opened."""

    message: str | None
    campaign: str | None
    channel: str | None
    outcome: str
    code: str
    since: int
    eligible_at: int | None


class Found(msgspec.Struct, frozen=True):
    """What the ledger holds of the person with this pseudonym."""

    person: str
    about: About
    waiting: list[Waits]


async def look_up(settings: Settings, person: str) -> Found | None:
    """Return what is known of *person*, named or by pseudonym; None when nothing is.

    Raises LedgerUnavailable.
    """
    policy = load_policy(settings.policy)
    names, sealer = Pseudonyms(settings.pseudonym_key), sealer_of(settings)
    key = person if looks_like_pseudonym(person) else names.of(person)
    ledger = ledger_of(settings)
    try:
        control, [standing] = await ledger.load([key])
    finally:
        await ledger.close()
    if not standing.version:
        return None
    waits = [_waits(sealer, key, one) for one in _open(standing)]
    return Found(key, about(policy, standing, control, wall()), waits)


def _open(standing: Standing) -> list[Waiting]:
    return [one for one in standing.waiting if not is_final(standing, one.message)]


def _waits(sealer: Sealer, key: str, waiting: Waiting) -> Waits:
    state = (OUTCOME_NAMES[waiting.outcome], waiting.code)
    times = (waiting.received_at, waiting.eligible_at)
    try:
        candidate = decode_body(sealer.open(waiting.body, key.encode())).candidate
    except SealedError:
        return Waits(None, None, None, *state, *times)
    channel = candidate.variants[waiting.variant].channel
    return Waits(candidate.id, candidate.campaign, channel, *state, *times)

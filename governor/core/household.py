"""What is known of a household: the slots that releases to its people hold or are about to."""

import hashlib
from collections.abc import Container, Iterable

import msgspec

from governor.core.instant import DAY, MINUTE
from governor.core.standing import RECOUNTED, REFUNDED, SENT, Entry, Standing

replace = msgspec.structs.replace

CLAIM_WITHIN = 10 * MINUTE
"""How long a reservation is somebody's who has not said yet what came of it."""

# People whose clocks differ a little share one log.
_SLACK = DAY


class Hold(msgspec.Struct, frozen=True):
    """Whose reservation it is, so that it can be asked after once `until` (ms) has passed."""

    person: str
    message: int
    until: int


class Slot(msgspec.Struct, frozen=True):
    """One release to somebody of a household, its attributes frozen as they were then.

    `id` hashes person and message. Of a reservation, which has a `hold`, `seq` is the version of
    the person's standing that it was judged on: it comes true only as the change over that
    version, so it is void once another version stands without the release. Of any other it is
    the version of the standing that told of it.
    """

    id: int
    at: int
    category: str
    campaign: int
    channel: str
    topic: int | None
    seq: int
    refunded: bool = False
    hold: Hold | None = None


class Household(msgspec.Struct, frozen=True):
    """All slots of one household, in order of time. `version` rises with every change."""

    version: int = 0
    slots: tuple[Slot, ...] = ()

    def log(self, but: Container[int]) -> tuple[Entry, ...]:
        """Return what caps count over: every slot, reserved or held, except those of ids *but*."""
        return tuple(_entry(slot) for slot in self.slots if slot.id not in but)


def slot_id(person: str, message: int) -> int:
    """Hash a person's key and a message's hash to 64 bits, so that a slot names nobody."""
    text = f"{message} {person}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def reserve(household: Household, person: str, entry: Entry, seq: int) -> Household:
    """Return *household* with a slot for *entry*, judged on version *seq* of the person."""
    hold = Hold(person, entry.message, entry.at + CLAIM_WITHIN)
    slot = _slot(person, entry, seq, hold)
    others = (one for one in household.slots if one.id != slot.id or one.hold is None)
    return _changed(household, (*others, slot))


def settle(
    household: Household, name: str, person: str, message: int, standing: Standing
) -> Household:
    """Return *household* with its slots for one message as the person's *standing* tells.

    A reservation becomes the release's own slot or is given back; one that was judged on this
    version or a later one is left alone, because its commit may still come.

    INVARIANT (never-above-a-cap): what a later version of the standing has told stays.
    """
    id = slot_id(person, message)
    mine = [slot for slot in household.slots if slot.id == id]
    if any(slot.hold is None and slot.seq > standing.version for slot in mine):
        return household
    entry = standing.released(message)
    after = [slot for slot in mine if slot.hold is not None and slot.seq >= standing.version]
    if entry is not None and entry.household == name and entry.counts:
        known = next((slot for slot in mine if slot.hold is None), None)
        told = _slot(person, entry, standing.version)
        same = known is not None and replace(known, seq=told.seq) == told
        # What was given back and taken again looks as before, to who would still give it back.
        if known is None or not same or entry.settled == RECOUNTED:
            known = told
        after.append(known)
    if len(after) == len(mine) and set(after) == set(mine):
        return household
    return _changed(household, (*(slot for slot in household.slots if slot.id != id), *after))


def overdue(household: Household, now: int) -> list[tuple[Slot, Hold]]:
    """Return the reservations that nobody has settled in time."""
    return [
        (slot, slot.hold)
        for slot in household.slots
        if slot.hold is not None and slot.hold.until <= now
    ]


def drop(household: Household, slot: Slot) -> Household:
    """Return *household* without *slot*, a reservation that can no longer come true."""
    return _changed(household, (one for one in household.slots if one != slot))


def forget(household: Household, history: int) -> Household:
    """Drop what no cap can ask for any more: what was sent up to the moment *history* (ms)."""
    kept = tuple(one for one in household.slots if one.hold or one.at > history - _SLACK)
    return replace(household, slots=kept)


def _changed(household: Household, slots: Iterable[Slot]) -> Household:
    return Household(household.version + 1, tuple(sorted(slots, key=_time)))


def _time(slot: Slot) -> tuple[int, int]:
    return slot.at, slot.id


def _slot(person: str, entry: Entry, seq: int, hold: Hold | None = None) -> Slot:
    return Slot(
        slot_id(person, entry.message),
        entry.at,
        entry.category,
        entry.campaign,
        entry.channel,
        entry.topic,
        seq,
        refunded=entry.settled == REFUNDED,
        hold=hold,
    )


def _entry(slot: Slot) -> Entry:
    return Entry(
        slot.id,
        slot.at,
        slot.category,
        slot.campaign,
        slot.channel,
        slot.topic,
        settled=REFUNDED if slot.refunded else SENT,
    )

"""One household as bytes, readable by `commit.lua` as far as its version, like a standing."""

import struct
from typing import Any

import msgspec

from governor.core.household import Hold, Household, Slot
from governor.ledger.packing import UnreadableError

_FORMAT = 1
_HEAD = struct.Struct(">BQ")
_FIELDS = len(Slot.__struct_fields__)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


def pack_household(household: Household) -> bytes:
    """Return *household* as bytes."""
    rows = [_row(slot) for slot in household.slots]
    return _HEAD.pack(_FORMAT, household.version) + _encode(rows)


def unpack_household(record: bytes | None) -> Household:
    """Return the household that *record* holds, an empty one for None; raise UnreadableError."""
    if record is None:
        return Household()
    if len(record) < _HEAD.size:
        raise UnreadableError(f"household is damaged: it has only {len(record)} bytes")
    kind, version = _HEAD.unpack_from(record)
    if kind != _FORMAT:
        raise UnreadableError(
            f"household has format {kind} and this governor reads format {_FORMAT};"
            " run the version that wrote it, or rebuild the ledger"
        )
    try:
        rows = _decode(memoryview(record)[_HEAD.size :])
        slots = msgspec.convert([_fields(row) for row in rows], tuple[Slot, ...])
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableError(f"household is damaged: {error}") from error
    return Household(version, slots)


def _row(slot: Slot) -> tuple[Any, ...]:
    """Return a slot as a row; of the last two fields most have neither."""
    *plain, refunded, hold = msgspec.structs.astuple(slot)
    if hold is not None:
        return (*plain, refunded, *msgspec.structs.astuple(hold))
    return (*plain, refunded) if refunded else tuple(plain)


def _fields(row: list[Any]) -> dict[str, Any]:
    plain = _FIELDS - 2
    refunded, *hold = row[plain:] or [False]
    named = dict(zip(Slot.__struct_fields__, [*row[:plain], refunded], strict=False))
    if hold:
        named["hold"] = dict(zip(Hold.__struct_fields__, hold, strict=True))
    return named

"""The parts of a record that few people have: what they were told lately, and a hand-over."""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from governor.core.standing import Entry, HandedOver

_CONTENT = struct.Struct(">I")


def pack_contents(log: Sequence[Entry]) -> bytes:
    """Return the contents of the last entries, from the first on that has one."""
    first = next((at for at, entry in enumerate(log) if entry.content), len(log))
    return b"".join(_CONTENT.pack(entry.content) for entry in log[first:])


def with_contents(log: tuple[Entry, ...], part: bytes) -> tuple[Entry, ...]:
    """Return *log* with the contents that were packed."""
    if not part:
        return log
    found = [content for (content,) in _CONTENT.iter_unpack(part)]
    first = len(log) - len(found)
    if first < 0:
        raise ValueError("more contents than entries")
    known = zip(log[first:], found, strict=True)
    return (*log[:first], *(msgspec.structs.replace(one, content=c) for one, c in known))


def pack_handed(handed: HandedOver | None) -> Sequence[Any]:
    """Return a hand-over as a row, none as an empty one."""
    return () if handed is None else msgspec.structs.astuple(handed)


def unpack_handed(row: Sequence[Any]) -> HandedOver | None:
    """Return the hand-over that *row* holds."""
    return HandedOver(*row) if row else None

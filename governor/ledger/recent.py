"""The part of a record that few people have: what they were told lately."""

import struct
from collections.abc import Sequence

import msgspec

from governor.core.standing import Entry

_CONTENT = struct.Struct(">I")


def pack_contents(log: Sequence[Entry], before: bytes = b"", count: int = 0) -> bytes:
    """Return the contents of the last entries, from the first on that has one.

    Those of the first *count* entries are the last ones that *before* holds, if it holds any.
    """
    contents = [entry.content for entry in log[count:]]
    if count and before:
        return before[-count * _CONTENT.size :] + b"".join(map(_CONTENT.pack, contents))
    if not any(contents):
        return b""
    first = next(at for at, content in enumerate(contents) if content)
    return b"".join(map(_CONTENT.pack, contents[first:]))


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

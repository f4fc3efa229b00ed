"""What waits, written so that it can be sealed, kept and judged again."""

from typing import Any

import msgspec

from governor.core.form import candidate_of
from governor.core.incoming import Incoming
from governor.core.standing import Waiting


class _Kept(msgspec.Struct):
    raw: dict[str, Any]
    digest: int
    record_at: int
    trace: tuple[tuple[str, bytes], ...]
    contents: tuple[int, ...] = ()


class _KeptWaiting(msgspec.Struct):
    waiting: Waiting
    kept: _Kept


_encode = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(_Kept).decode
_kept_waiting = msgspec.json.Decoder(_KeptWaiting).decode


def encode_body(incoming: Incoming) -> bytes:
    """Write what a waiting message needs to be judged again, in clear, to be sealed."""
    return _encode(_keep(incoming))


def decode_body(body: bytes) -> Incoming:
    """Read what `encode_body` wrote; raises ValueError for anything else."""
    return _restore(_kept(body))


def encode_waiting(waiting: Waiting, incoming: Incoming) -> bytes:
    """Write *waiting* and its candidate for the topic of what waits, in clear, to be sealed."""
    bare = msgspec.structs.replace(waiting, body=b"")
    return _encode(_KeptWaiting(bare, _keep(incoming)))


def decode_waiting(text: bytes) -> tuple[Waiting, Incoming]:
    """Read what `encode_waiting` wrote, the waiting's body empty; raises ValueError otherwise."""
    found = _kept_waiting(text)
    return found.waiting, _restore(found.kept)


def _keep(incoming: Incoming) -> _Kept:
    return _Kept(
        incoming.raw, incoming.digest, incoming.record_at, incoming.trace, incoming.contents
    )


def _restore(kept: _Kept) -> Incoming:
    candidate = candidate_of(kept.raw)
    found = Incoming(candidate, kept.raw, kept.digest, kept.record_at, False, kept.trace)
    return msgspec.structs.replace(found, contents=kept.contents)

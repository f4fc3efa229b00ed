"""Puts people into governor's ledger before the clock starts: a million in seconds."""

import base64
import time
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from bench import load
from governor.ledger import packing
from governor.ledger.keys import Pseudonyms
from governor.ledger.redis import RedisLedger

KEY: Final = base64.b64encode(b"b" * 32).decode()
_AT_ONCE = 10_000


async def introduce(
    url: str, prefix: str, people: Sequence[str], sends: int = load.SENT_BEFORE
) -> None:
    """Let the ledger with *prefix* know *people*: their consent, and a log of so many *sends*.

    All are alike, so one record is packed and written for everybody; that the ledger reads it is
    looked at.
    """
    now = time.time_ns() // 1_000_000
    standing = load.standing(now, load.sends_before(now, sends))
    record = packing.pack(standing)
    names = Pseudonyms(base64.b64decode(KEY))
    redis = Redis.from_url(url)
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        await redis.mset({f"{prefix}p:{{{names.of(one)}}}": record for one in some})
    await redis.aclose()
    ledger = RedisLedger(url, prefix, timeout=30.0)
    _, found = await ledger.load([names.of(one) for one in people[:10]])
    await ledger.close()
    assert all(one == standing for one in found)

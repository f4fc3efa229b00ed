"""The decision step alone on Redis: governor's load, decide, commit beside the library `limits`."""

import asyncio
import base64
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour
from limits.aio.storage import RedisStorage
from limits.aio.strategies import (
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)

from bench import load
from bench.machine import cpu_seconds
from bench.seed import KEY, introduce
from bench.stage import POLICY
from governor.codec.decode import decode_candidate
from governor.config.policy_file import load_policy
from governor.core.incoming import Incoming
from governor.ledger.keys import Pseudonyms, Sealer, payload_keys
from governor.ledger.redis import RedisLedger
from governor.service import Arrivals, Governor
from tests.servers import RedisServer

STEP: Final = "governor's step"
MOVING: Final = "limits, moving window"
SLIDING: Final = "limits, sliding counter"
BATCH: Final = 500
_TOGETHER = 50
"""Candidates that `limits` is asked about at once; more make it slower."""

CAPS: Final[tuple[tuple[RateLimitItem, tuple[str, ...]], ...]] = (
    (RateLimitItemPerHour(20, namespace="per-hour"), ("person",)),
    (RateLimitItemPerDay(40, namespace="per-day"), ("person",)),
    (RateLimitItemPerDay(60, 7, namespace="per-week"), ("person",)),
    (RateLimitItemPerDay(40, namespace="calendar-day"), ("person",)),
    (RateLimitItemPerDay(15, namespace="per-topic"), ("person", "topic")),
    (RateLimitItemPerDay(30, 7, namespace="per-campaign"), ("person", "campaign")),
)


class Step(msgspec.Struct):
    """How fast a way of deciding is: candidates a second, processor time of each (us)."""

    decided: int
    allowed: int
    rate: float
    cpu_us: float
    redis_us: float


Decide = Callable[[Sequence[Incoming]], Awaitable[int]]


class Clock:
    """Sums up wall time and processor time of what is done in its `with`, Redis's apart."""

    def __init__(self, redis: int) -> None:
        self._redis_pid = redis
        self._began = (0.0, 0.0, 0.0)
        self.wall = self.own = self.redis = 0.0

    def __enter__(self) -> None:
        self._began = self._now()

    def __exit__(self, *_: object) -> None:
        wall, own, redis = (now - then for now, then in zip(self._now(), self._began, strict=True))
        self.wall, self.own, self.redis = self.wall + wall, self.own + own, self.redis + redis

    def each(self, count: int) -> tuple[float, float]:
        """Return the processor time of each of *count*, here and in Redis (us)."""
        return self.own / count * 1e6, self.redis / count * 1e6

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), cpu_seconds(self._redis_pid)


class Steps:
    """The three ways of deciding, on one Redis."""

    def __init__(self, redis: RedisServer, prefix: str = "step.g:", policy: Path = POLICY) -> None:
        self._policy = load_policy(policy)
        key = base64.b64decode(KEY)
        keys, current = payload_keys(key, None)
        self._names = Pseudonyms(key)
        self._redis = redis
        self._asked = 0
        self._prefix = prefix
        self.ledger = RedisLedger(redis.url, prefix, timeout=30.0)
        self._governor = Governor(
            self._policy, self.ledger, self._names, Sealer(keys, current), tick=time.perf_counter
        )
        storage = RedisStorage(f"async+{redis.url}", implementation="redispy")
        self._limiters: dict[str, RateLimiter] = {
            MOVING: MovingWindowRateLimiter(storage),
            SLIDING: SlidingWindowCounterRateLimiter(storage),
        }
        self.ways: dict[str, Decide] = {
            STEP: self.govern,
            MOVING: lambda some: self._limit(self._limiters[MOVING], some),
            SLIDING: lambda some: self._limit(self._limiters[SLIDING], some),
        }

    def incoming(self, chosen: Sequence[str]) -> list[Incoming]:
        """Return candidates for *chosen*, decoded."""
        now = time.time_ns() // 1_000_000
        return [
            decode_candidate(value, (), key, now, self._policy)
            for key, value in load.candidates(chosen)
        ]

    async def introduce(self, people: Sequence[str], sends: int = load.SENT_BEFORE) -> None:
        """Let governor's ledger know *people*, with a send log of so many *sends*."""
        await introduce(self._redis.url, self._prefix, people, sends)

    async def measure(self, way: str, people: int, generation: str, seconds: float) -> Step:
        """Decide on candidates by Zipf for *seconds*, each batch of people that nobody asked of."""
        decided, allowed, clock = 0, 0, Clock(self._redis.pid)
        for number in itertools.count():
            chosen = load.people(people, 8 * BATCH, f"{generation}-{number}")
            if way == STEP:
                await self.introduce(list(dict.fromkeys(chosen)))
            ready = self.incoming(chosen)
            for start in range(0, len(ready), BATCH):
                some = ready[start : start + BATCH]
                with clock:
                    allowed += await self.ways[way](some)
                decided += len(some)
                if clock.wall > seconds:
                    return Step(decided, allowed, decided / clock.wall, *clock.each(decided))
        raise AssertionError

    async def govern(self, some: Sequence[Incoming]) -> int:
        """Judge *some* as one batch; return how many may go."""
        now = time.time_ns() // 1_000_000
        judged = await self._governor.judge(Arrivals(fresh=some), now)
        assert len(judged.resolutions) == len(some)
        return sum(one.entry is not None for one in judged.resolutions)

    async def allow(self, people: Sequence[str]) -> list[bool]:
        """Judge one new candidate for each of *people*; tell which may go."""
        self._asked += 1
        now, mark = time.time_ns() // 1_000_000, b'"m-%d-' % self._asked
        some = [
            decode_candidate(value.replace(b'"m-', mark), (), key, now, self._policy)
            for key, value in load.candidates(people)
        ]
        judged = await self._governor.judge(Arrivals(fresh=some), now)
        gone = {one.incoming.candidate.person for one in judged.resolutions if one.entry}
        return [person in gone for person in people]

    async def _limit(self, limiter: RateLimiter, some: Sequence[Incoming]) -> int:
        allowed = 0
        for start in range(0, len(some), _TOGETHER):
            asked = (self._ask(limiter, one.candidate) for one in some[start : start + _TOGETHER])
            allowed += sum(await asyncio.gather(*asked))
        return allowed

    async def _ask(self, limiter: RateLimiter, candidate: Any) -> bool:
        for item, per in CAPS:
            if not await limiter.hit(item, *(getattr(candidate, name) for name in per)):
                return False
        return True

    async def close(self) -> None:
        """Close the ledger's connection."""
        await self.ledger.close()

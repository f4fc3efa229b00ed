"""What the ledger comes to: bytes of a person, cost among few and many people, caps that hold."""

import asyncio
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import (
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from redis.asyncio import Redis

from bench.seed import introduce
from bench.stage import POLICY
from bench.step import BATCH, MOVING, SLIDING, STEP, Clock, Steps
from tests.servers import RedisServer

LOGS: Final = (0, 1, 3, 5, 10)
_COUNTED = 20_000
_WINDOW = 2
_LIMIT = 5
_BUSY = 40
_JITTER = 0.25
"""Seconds taken off the window: a caller's clock stands beside that of Redis."""


class Flat(msgspec.Struct):
    """Processor time a candidate (us), Redis included, with so many people in the ledger."""

    cost_us: dict[int, float]
    ratio: float
    least: float
    most: float


class Most(msgspec.Struct):
    """The most that anybody was allowed within one rolling window, under a cap of `limit`."""

    limit: int
    window: float
    attempts: int
    most: dict[str, int]
    people_over: dict[str, int]


async def memory() -> dict[int, float]:
    """Return how many bytes Redis holds for a person, by the length of their send log.

    Each length has a Redis of its own, in which nothing else comes and goes.
    """
    found = {}
    for sends in LOGS:
        with RedisServer() as redis:
            client = Redis.from_url(redis.url)
            before = int((await client.info("memory"))["used_memory"])
            people = [f"p{number}" for number in range(_COUNTED)]
            await introduce(redis.url, "memory.g:", people, sends)
            after = int((await client.info("memory"))["used_memory"])
            found[sends] = (after - before) / _COUNTED
            await client.aclose()
    return found


async def flat(redis: RedisServer, few: int, many: int, rounds: int) -> Flat:
    """Compare a candidate's cost among *few* and *many* people, all with equal send logs.

    A batch asks of 500 people once each, in both ledgers in turn; they are new to it each time.
    """
    sizes = (few, many)
    ledgers = {size: Steps(redis, f"flat{size}.g:") for size in sizes}
    people = {size: [f"f{number:07d}" for number in range(size)] for size in sizes}
    for size, steps in ledgers.items():
        await steps.introduce(people[size])
    choose = random.Random(1)
    costs: dict[int, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for size, steps in ledgers.items():
            clock = Clock(redis.pid)
            for _ in range(4):
                chosen = choose.sample(people[size], BATCH)
                ready = steps.incoming(chosen)
                with clock:
                    await steps.govern(ready)
                await steps.introduce(chosen)
            if number:
                costs[size].append(sum(clock.each(4 * BATCH)))
    for steps in ledgers.values():
        await steps.close()
    ratios = [b / a for a, b in zip(costs[few], costs[many], strict=True)]
    medians = {size: statistics.median(each) for size, each in costs.items()}
    return Flat(medians, statistics.median(ratios), min(ratios), max(ratios))


async def most_allowed(redis: RedisServer, seconds: float) -> Most:
    """Let people be asked of in bursts; return the most that each way allowed in a window."""
    item = RateLimitItemPerSecond(_LIMIT, _WINDOW, namespace="burst")
    storage = RedisStorage(f"async+{redis.url}", implementation="redispy")
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.yaml"
        policy.write_text(_with_one_cap(POLICY.read_text()))
        steps = Steps(redis, "most.g:", policy)
        chosen = [f"burst-{number}" for number in range(_BUSY)]
        await steps.introduce(chosen, 0)

        async def govern(some: Sequence[str]) -> list[bool]:
            return await steps.allow(some)

        ways: dict[str, Callable[[Sequence[str]], Awaitable[list[bool]]]] = {
            STEP: govern,
            MOVING: _limited(MovingWindowRateLimiter(storage), item),
            SLIDING: _limited(SlidingWindowCounterRateLimiter(storage), item),
        }
        allowed, attempts = await _in_bursts(ways, chosen, seconds)
        await steps.close()
    most = {
        way: {one: densest(times, _WINDOW - _JITTER) for one, times in by.items()}
        for way, by in allowed.items()
    }
    return Most(
        _LIMIT,
        _WINDOW,
        attempts,
        {way: max(by.values(), default=0) for way, by in most.items()},
        {way: sum(count > _LIMIT for count in by.values()) for way, by in most.items()},
    )


def _limited(
    limiter: RateLimiter, item: RateLimitItem
) -> Callable[[Sequence[str]], Awaitable[list[bool]]]:
    async def ask(some: Sequence[str]) -> list[bool]:
        return list(await asyncio.gather(*(limiter.hit(item, one) for one in some)))

    return ask


async def _in_bursts(
    ways: Mapping[str, Callable[[Sequence[str]], Awaitable[list[bool]]]],
    people: Sequence[str],
    seconds: float,
) -> tuple[dict[str, dict[str, list[float]]], int]:
    """Ask of half the people every time, each way in turn; return when each was allowed."""
    allowed: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in ways}
    choose, attempts, end = random.Random(2), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        some = choose.sample(people, len(people) // 2)
        attempts += len(some)
        for way, ask in ways.items():
            answers = await ask(some)
            at = time.monotonic()
            for one, answer in zip(some, answers, strict=True):
                if answer:
                    allowed[way][one].append(at)
        await asyncio.sleep(choose.choice((0.01, 0.02, 0.4)))
    return allowed, attempts


def densest(times: Sequence[float], window: float) -> int:
    """Return how many of *times*, which are in order, lie within one *window* at most."""
    most, start = 0, 0
    for end, at in enumerate(times):
        while times[start] <= at - window:
            start += 1
        most = max(most, end - start + 1)
    return most


def _with_one_cap(policy: str) -> str:
    head, rest = policy.split("caps:\n", 1)
    tail = rest[rest.index("quiet_hours:") :].split("intrusiveness:")[0]
    cap = f"  - {{id: burst, limit: {_LIMIT}, window: {_WINDOW}s, at_cap: suppress}}\n"
    return f"{head}caps:\n{cap}{tail}"

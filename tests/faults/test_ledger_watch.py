"""Whoever watches the ledger trusts it only while it and the clocks go on as they were."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from governor import restoration
from governor.broker import BrokerUnavailable
from governor.config.settings import Settings
from governor.core.instant import SECOND
from governor.health import Health
from governor.ledger.protocol import LedgerUnavailable
from governor.ledger.redis import Guard, RedisLedger
from governor.ledger.trust import Trust
from governor.metrics import Metrics
from governor.rebuild import Progress, Source
from governor.stream.clock_watch import ClockWatch
from governor.stream.ledger_watch import LedgerWatch
from governor.stream.publisher import Parts
from tests.ledger.clients import raw
from tests.servers import RedisServer


class Clock:
    """Wall and monotonic time of one worker, moved by the test alone, from the real time on."""

    def __init__(self) -> None:
        self.wall = time.time_ns() // 1_000_000
        self.tick = 100.0

    def step(self, seconds: float) -> None:
        """Let time pass as it should."""
        self.wall += round(seconds * SECOND)
        self.tick += seconds


async def nothing() -> None:
    """Let nothing happen."""


class Watched:
    """A watch on a real ledger, and all that it did."""

    def __init__(self, url: str, clock: Clock | None = None, *, clocks: bool = True) -> None:
        self.clock = clock or Clock()
        self.guard = Guard()
        self.ledger = RedisLedger(url)
        self.guarded = RedisLedger(url, guard=self.guard)
        self.metrics = Metrics()
        self.health = Health(self.metrics, lambda: self.clock.tick)
        self.health.policy_loaded("revision")
        self.health.assigned(1)
        self.restored: list[Source] = []
        self.restoring = asyncio.Event()
        self.during: Callable[[], Awaitable[object]] = nothing
        self.begun = False
        self.applied = {"people.consents": {0: 5}}
        parts: dict[str, Any] = dict.fromkeys(Parts.__struct_fields__)
        parts |= {"now": lambda: self.clock.wall, "tick": lambda: self.clock.tick}
        self.watch = LedgerWatch(
            Parts(**parts | {"health": self.health}),
            self.ledger,
            self.guard,
            restore=self._restore,
            begun=self._begun,
            applied=lambda: self.applied,
            clock=ClockWatch(lambda: self.clock.wall, lambda: self.clock.tick) if clocks else None,
        )

    async def _begun(self) -> bool:
        return self.begun

    async def _restore(self, source: Source) -> None:
        self.restored.append(source)
        self.restoring.set()
        # Nothing is to be used while it is restored.
        assert await self.refused()
        await self.during()

    async def look(self) -> dict[str, str]:
        """Look once, and say why the worker is not ready."""
        await self.watch.look()
        return {one["cause"]: one["detail"] for one in self.health.reasons()}

    async def refused(self) -> bool:
        """Whether the gate is kept from the ledger."""
        try:
            await self.guarded.load(["a"])
        except LedgerUnavailable:
            return True
        return False


@asynccontextmanager
async def watching(url: str, *more: Any, **options: Any) -> AsyncIterator[Watched]:
    watched = Watched(url, *more, **options)
    try:
        yield watched
    finally:
        await watched.ledger.close()
        await watched.guarded.close()


async def test_a_new_ledger_is_founded_and_used(redis_url: str) -> None:
    async with watching(redis_url) as one:
        assert await one.refused()
        assert await one.look() == {}
        assert not await one.refused()
        trust = await one.ledger.trust()
        assert (trust.counter, trust.at, trust.offsets) == (1, one.clock.wall, one.applied)
        assert one.restored == []
        one.applied = {"people.consents": {0: 9}}
        assert await one.look() == {}
        assert (await one.ledger.trust()).offsets == one.applied


async def test_an_empty_ledger_where_something_was_decided_is_filled_first(redis_url: str) -> None:
    async with watching(redis_url) as one:
        one.begun = True
        assert await one.look() == {}
        assert one.restored == [Source(now=one.clock.wall)]
        assert not await one.refused()


async def test_a_restart_is_noticed_and_read_again_from_what_survived(
    own_redis: RedisServer,
) -> None:
    async with watching(own_redis.url) as one:
        await one.look()
        vouched = one.clock.wall
        own_redis.kill()
        assert "redis: could not" in (await one.look())["ledger"]
        own_redis.start()
        assert await one.refused()
        one.clock.step(60)
        one.clock.wall = time.time_ns() // 1_000_000
        await one.look()
        [source] = one.restored
        assert (source.since, source.offsets) == (vouched - 10 * SECOND, one.applied)
        assert not await one.refused()
        one.health.settle()
        held = one.metrics.held_closed_seconds.labels("ledger")._value.get()
        assert held >= 60
        await one.look()
        assert len(one.restored) == 1


async def test_what_cannot_be_restored_is_held_and_tried_again(own_redis: RedisServer) -> None:
    async with watching(own_redis.url) as one:
        await one.look()

        async def away() -> None:
            raise BrokerUnavailable("kafka at x: cannot be reached")

        one.during = away
        own_redis.kill()
        own_redis.start()
        for _ in range(3):
            assert (await one.look())["ledger"].startswith("kafka at x: cannot be reached")
            assert await one.refused()
        one.during = nothing
        assert await one.look() == {}
        assert len(one.restored) == 4
        assert not await one.refused()


async def test_of_two_one_restores_and_the_other_waits(own_redis: RedisServer) -> None:
    async with watching(own_redis.url) as one, watching(own_redis.url) as two:
        await one.look()
        await two.look()
        own_redis.kill()
        own_redis.start()
        goes_on = asyncio.Event()

        one.during = goes_on.wait
        restoring = asyncio.create_task(one.look())
        await one.restoring.wait()
        assert "being restored by somebody else" in (await two.look())["ledger"]
        assert await two.refused()
        goes_on.set()
        assert await restoring == {}
        assert await two.look() == {}
        assert (len(one.restored), len(two.restored)) == (1, 0)
        # Both know it now.
        for _ in range(3):
            assert await two.look() == {}
            assert await one.look() == {}
        assert (len(one.restored), len(two.restored)) == (1, 0)


async def test_an_emptied_ledger_is_filled_from_the_beginning(redis_url: str) -> None:
    async with watching(redis_url) as one, raw(redis_url) as redis:
        await one.look()
        before = (await one.ledger.trust()).epoch
        await redis.flushall()
        assert await one.look() == {}
        assert one.restored == [Source(now=one.clock.wall)]
        assert (await one.ledger.trust()).epoch not in {None, before}
        assert not await one.refused()


@pytest.mark.parametrize("when", ["filled", "read again"])
async def test_what_is_emptied_while_it_is_restored_is_not_used(redis_url: str, when: str) -> None:
    async with watching(redis_url) as one, raw(redis_url) as redis:
        await one.look()

        async def emptied() -> None:
            if len(one.restored) == 1:
                await redis.flushall()

        one.during = emptied
        if when == "filled":
            await redis.flushall()
        else:
            await redis.hset("g:trust", "server", "0" * 40)
        assert "was emptied while it was restored" in (await one.look())["ledger"]
        assert await one.refused()
        assert await one.look() == {}
        assert one.restored[-1] == Source(now=one.clock.wall)
        assert len(one.restored) == 2


async def test_what_is_emptied_as_it_is_founded_is_not_used(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(redis_url) as one, raw(redis_url) as redis:
        one.begun = True
        found = one.ledger.found

        async def emptied() -> None:
            monkeypatch.setattr(one.ledger, "found", found)
            await redis.flushall()
            await found()

        monkeypatch.setattr(one.ledger, "found", emptied)
        assert "was emptied while it was restored" in (await one.look())["ledger"]
        assert await one.refused()
        assert await one.look() == {}
        assert one.restored[-1] == Source(0, {}, one.clock.wall)
        assert len(one.restored) == 2


async def test_a_restart_while_it_is_restored_is_noticed(own_redis: RedisServer) -> None:
    async with watching(own_redis.url) as one:
        one.begun = True

        async def restart() -> None:
            if len(one.restored) == 1:
                own_redis.kill()
                own_redis.start()

        one.during = restart
        assert "restarted while it was restored" in (await one.look())["ledger"]
        assert await one.refused()
        await one.look()
        assert len(one.restored) == 2


async def test_a_counter_that_goes_back_on_the_same_server_is_noticed(redis_url: str) -> None:
    """A primary that was made a replica for a while, and is one again with older data."""
    async with watching(redis_url) as one, raw(redis_url) as redis:
        for _ in range(3):
            await one.look()
        older = one.clock.wall - 60 * SECOND
        await redis.hset("g:trust", mapping={"counter": 1, "at": older})
        assert await one.look() == {}
        [source] = one.restored
        assert source.since == older - 10 * SECOND


async def test_whoever_comes_while_what_was_lost_is_restored_waits_for_it(redis_url: str) -> None:
    """They know of no counter that was higher."""
    async with watching(redis_url) as one, watching(redis_url) as new, raw(redis_url) as redis:
        for _ in range(3):
            await one.look()
        await redis.hset("g:trust", "counter", "1")
        goes_on = asyncio.Event()
        one.during = goes_on.wait
        restoring = asyncio.create_task(one.look())
        await one.restoring.wait()
        assert "being restored by somebody else" in (await new.look())["ledger"]
        assert await new.refused()
        goes_on.set()
        assert await restoring == {}
        assert await new.look() == {}
        assert new.restored == []


async def test_a_ledger_that_was_rebuilt_by_hand_is_used_as_it_is(redis_url: str) -> None:
    async with watching(redis_url) as one, watching(redis_url) as hand:
        await one.look()
        async with hand.ledger.restoring() as confirm:
            await hand.ledger.wipe()
            assert "being restored by somebody else" in (await one.look())["ledger"]
            assert await one.refused()
            await confirm()
            await hand.ledger.found()
            await hand.ledger.vouch(await hand.ledger.trust(), one.clock.wall, {})
        assert await one.refused()
        assert await one.look() == {}
        assert not await one.refused()
        assert one.restored == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_is_emptied_as_it_is_founded_by_hand_is_not_said_to_be_whole(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    ledger = RedisLedger(redis_url)
    found, settings = ledger.found, SimpleNamespace(policy="policy.yaml", clock="wall")
    async with raw(redis_url) as redis:

        async def emptied() -> None:
            if when == "after":
                await found()
            await redis.flushall()
            if when == "before":
                await found()

        async def run(_source: Source) -> Progress:
            return Progress()

        monkeypatch.setattr(ledger, "found", emptied)
        monkeypatch.setattr(restoration, "load_policy", lambda _path: None)
        monkeypatch.setattr(restoration, "ledger_of", lambda _settings: ledger)
        rebuild = SimpleNamespace(check=nothing, run=run)
        monkeypatch.setattr(restoration, "_rebuild", lambda *_: rebuild)
        with pytest.raises(LedgerUnavailable, match="emptied"):
            await restoration.rebuild_all(cast("Settings", settings), lambda _progress: None)


async def test_a_server_that_would_drop_standings_is_not_used(redis_url: str) -> None:
    async with watching(redis_url) as one, raw(redis_url) as redis:
        await one.look()
        await redis.config_set("maxmemory-policy", "volatile-lru")
        try:
            assert "`volatile-lru`" in (await one.look())["ledger"]
            assert await one.refused()
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
        assert await one.look() == {}


async def test_of_several_servers_only_what_is_old_enough_is_sure(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trust, "scattered", property(lambda _: True))
    async with watching(redis_url) as one:
        for second in range(25):
            one.applied = {"people.consents": {0: second}}
            await one.look()
            told = (await one.ledger.trust()).offsets
            sure = {"people.consents": {0: second - 10}} if second >= 10 else {}
            assert told == sure
            one.clock.step(1)


async def test_what_is_sure_of_several_servers_is_no_older_for_a_clock_that_moved(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trust, "scattered", property(lambda _: True))
    async with watching(redis_url) as one:
        for _ in range(2):
            await one.look()
            one.clock.step(1)
            one.clock.wall += 3_600 * SECOND
        assert (await one.ledger.trust()).offsets == {}


# The clocks. Redis runs on the real one.


@pytest.mark.parametrize("jump", [5.1, -5.1, 3600])
async def test_fail_closed_a_jump_of_wall_time_holds_the_gate(redis_url: str, jump: float) -> None:
    async with watching(redis_url) as one:
        assert await one.look() == {}
        one.clock.wall += round(jump * SECOND)
        reasons = await one.look()
        assert set(reasons) == {"clock"}
        assert f"wall time moved {jump:+.1f} s against monotonic time" in reasons["clock"]
        assert one.health.held
        one.clock.step(2)
        one.health.settle()
        assert one.metrics.held_closed_seconds.labels("clock")._value.get() == 2
        one.clock.wall -= round(jump * SECOND) + 2 * SECOND
        one.clock.tick -= 2
        assert await one.look() == {}
        assert not one.health.held


async def test_nothing_lost_a_clock_that_runs_ahead_hides_no_loss(redis_url: str) -> None:
    """What is vouched for is read again from shortly before that moment on."""
    async with watching(redis_url) as one:
        right = one.clock.wall
        one.clock.wall += 3_600 * SECOND
        await one.look()
        assert abs((await one.ledger.trust()).at - right) < 60 * SECOND


async def test_what_clocks_may_differ_by_is_no_reason(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for drift in (4.5, -4.5):
            assert await one.look() == {}
            one.clock.wall += round(drift * SECOND)
            assert await one.look() == {}
            one.clock.wall -= round(drift * SECOND)


@pytest.mark.parametrize("ahead", [6, -6])
async def test_fail_closed_another_time_than_the_ledgers_holds_the_gate(
    redis_url: str, ahead: int
) -> None:
    """Wrong from the start, so that it does not move against monotonic time."""
    clock = Clock()
    clock.wall += ahead * SECOND
    async with watching(redis_url, clock) as one:
        assert "away from that of the ledger" in (await one.look())["clock"]
        assert one.health.held


async def test_a_replay_has_its_own_time(redis_url: str) -> None:
    clock = Clock()
    clock.wall -= 3600 * SECOND
    async with watching(redis_url, clock, clocks=False) as one:
        one.begun = True
        assert await one.look() == {}
        assert one.restored == [Source()]

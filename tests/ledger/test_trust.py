"""What a ledger tells of itself, who may use it, and who may make it whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from governor.core.household import Household
from governor.core.standing import ControlState, Standing
from governor.ledger.protocol import Change, HouseholdChange, LedgerUnavailable
from governor.ledger.redis import Guard, RedisLedger
from governor.ledger.trust import Trust
from tests.ledger.clients import opened, raw
from tests.ledger.people import NOW, standing
from tests.servers import RedisServer

APPLIED = {"people.consents": {0: 17, 3: 4}, "governor.control": {0: 2}}


async def vouched(ledger: RedisLedger, at: int = NOW) -> Trust:
    await ledger.found()
    assert await ledger.vouch(await ledger.trust(), at, APPLIED) > 0
    return await ledger.trust()


async def commands(redis: Redis) -> dict[str, int]:
    """How often each command was called since the server began to count."""
    stats = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()}


async def test_an_empty_ledger_has_no_epoch(redis_ledger: RedisLedger) -> None:
    trust = await redis_ledger.trust()
    assert trust == Trust(trust.running)
    assert len(trust.running) == 40
    assert not trust.same_server


async def test_an_epoch_is_given_once_and_for_life(redis_url: str) -> None:
    async with opened(redis_url) as one, opened(redis_url) as two, raw(redis_url) as redis:
        await asyncio.gather(*(ledger.found() for ledger in (one, two) * 5))
        first = (await one.trust()).epoch
        await two.found()
        assert (await two.trust()).epoch == first
        await redis.flushall()
        await one.found()
        assert (await one.trust()).epoch not in {first, None}


async def test_what_was_vouched_for_is_told_again(redis_ledger: RedisLedger) -> None:
    await redis_ledger.found()
    before = await redis_ledger.trust()
    assert (before.counter, before.server, before.same_server) == (0, None, False)
    assert await redis_ledger.vouch(before, NOW, APPLIED) == 1
    after = await redis_ledger.trust()
    assert after.same_server
    assert (after.epoch, after.counter, after.at) == (before.epoch, 1, NOW)
    assert after.offsets == APPLIED
    # Another worker knows of other partitions; what it does not know stays.
    assert await redis_ledger.vouch(after, NOW + 1, {"people.consents": {3: 9, 5: 1}}) == 2
    both = await redis_ledger.trust()
    assert both.offsets == {**APPLIED, "people.consents": {0: 17, 3: 9, 5: 1}}


@pytest.mark.parametrize("what", ["epoch", "server"])
async def test_nobody_vouches_for_another_ledger_than_was_looked_at(
    redis_url: str, what: str
) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        seen = await vouched(ledger)
        stale = {
            "epoch": Trust(seen.running, "another"),
            "server": Trust("0" * 40, seen.epoch),
        }[what]
        before = await redis.hgetall("g:trust")
        assert await ledger.vouch(stale, NOW + 999, {"people.consents": {0: 99}}) == 0
        assert await redis.hgetall("g:trust") == before
        await redis.flushall()
        assert await ledger.vouch(seen, NOW, APPLIED) == 0
        assert await redis.keys("*") == []


async def test_what_somebody_has_doubted_since_is_not_vouched_for(
    redis_ledger: RedisLedger,
) -> None:
    await vouched(redis_ledger)
    seen = await redis_ledger.trust()
    await redis_ledger.doubt()
    assert await redis_ledger.vouch(seen, NOW + 999, APPLIED) == 0
    doubted = await redis_ledger.trust()
    assert (doubted.at, doubted.server, doubted.offsets) == (NOW, None, APPLIED)
    assert await redis_ledger.vouch(doubted, NOW + 999, APPLIED) > 0
    assert (await redis_ledger.trust()).same_server


async def test_a_server_that_was_restarted_in_between_is_not_vouched_for(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as ledger:
        seen = await vouched(ledger)
        own_redis.kill()
        own_redis.start()
        assert await ledger.vouch(seen, NOW + 999, {}) == 0
        found = await ledger.trust()
        assert (found.at, found.epoch) == (NOW, seen.epoch)
        assert not found.same_server


async def test_a_hundred_partitions_are_vouched_for_at_once(redis_ledger: RedisLedger) -> None:
    many = {f"topic-{number}": dict.fromkeys(range(1_000), 7) for number in range(5)}
    await redis_ledger.found()
    assert await redis_ledger.vouch(await redis_ledger.trust(), NOW, many) == 1
    assert (await redis_ledger.trust()).offsets == many


async def test_who_was_not_admitted_sends_no_command_about_a_person(redis_url: str) -> None:
    """INVARIANT (fail-closed): looked at from the server's side."""
    guard = Guard()
    async with (
        opened(redis_url, guard=guard) as guarded,
        opened(redis_url) as unguarded,
        raw(redis_url) as redis,
    ):
        trust = await vouched(unguarded)
        await redis.config_resetstat()
        for call in (
            guarded.load(["a"]),
            guarded.commit([Change("a", 0, standing(1, NOW))]),
            guarded.commit_control(0, ControlState(1)),
            guarded.claim(NOW, 10),
            guarded.next_due(),
            anext(guarded.waiting()),
        ):
            with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
                await call
        greetings = {"info", "client|setinfo", "hello", "config|resetstat"}
        assert set(await commands(redis)) <= greetings
        guard.admit(trust.running, trust.epoch)
        assert (await guarded.load(["a"]))[0] == ControlState()
        assert "get" in await commands(redis)


async def test_fail_closed_what_was_loaded_before_the_guard_was_shut_is_not_written(
    redis_url: str,
) -> None:
    guard = Guard()
    async with opened(redis_url, guard=guard) as guarded, opened(redis_url) as unguarded:
        trust = await vouched(unguarded)
        guard.admit(trust.running, trust.epoch)
        await guarded.load(["a"])
        await guarded.households(["h"])
        guard.shut()
        for call in (
            guarded.commit([Change("a", 0, standing(1, NOW))]),
            guarded.commit_control(0, ControlState(1)),
            guarded.commit_households([HouseholdChange("h", 0, Household(1))]),
        ):
            with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
                await call
        assert await unguarded.load(["a"]) == (ControlState(), [Standing()])
        assert await unguarded.households(["h"]) == [Household()]


async def test_after_a_restart_the_guard_is_shut_until_somebody_has_looked(
    own_redis: RedisServer,
) -> None:
    guard = Guard()
    async with opened(own_redis.url, guard=guard) as guarded, opened(own_redis.url) as unguarded:
        trust = await vouched(unguarded)
        guard.admit(trust.running, trust.epoch)
        await asyncio.gather(*(guarded.load(["a"]) for _ in range(10)))
        own_redis.kill()
        own_redis.start()
        for _ in range(12):
            with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
                await guarded.load(["a"])
        again = await unguarded.trust()
        assert again.running != trust.running
        guard.admit(again.running, again.epoch)
        assert (await guarded.load(["a"]))[0] == ControlState()


async def test_an_emptied_ledger_is_not_used_and_neither_is_a_new_one_in_its_place(
    redis_url: str,
) -> None:
    guard = Guard()
    async with (
        opened(redis_url, guard=guard) as guarded,
        opened(redis_url) as unguarded,
        raw(redis_url) as redis,
    ):
        trust = await vouched(unguarded)
        guard.admit(trust.running, trust.epoch)
        await guarded.load(["a"])
        await redis.flushall()
        with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
            await guarded.load(["a"])
        new = await vouched(unguarded)
        with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
            await guarded.load(["a"])
        guard.admit(new.running, new.epoch)
        await guarded.load(["a"])


async def test_what_is_emptied_while_it_is_read_is_noticed(redis_url: str) -> None:
    """The epoch is read behind the standings, so that no stranger is made of somebody known."""
    guard = Guard()
    async with opened(redis_url, guard=guard) as guarded, opened(redis_url) as unguarded:
        trust = await vouched(unguarded)
        guard.admit(trust.running, trust.epoch)
        await guarded.commit([Change("a", 0, standing(1, NOW))])
        send = guarded._once
        asked: list[str] = []

        async def spying(commands: Sequence[tuple[Any, ...]], *, together: bool = False) -> Any:
            asked.extend(name for name, *_ in commands)
            return await send(commands, together=together)

        guarded._once = spying  # type: ignore[method-assign]
        await guarded.load(["a"])
        assert asked == ["GET", "MGET", "HGET"]


async def test_one_at_a_time_restores_and_whoever_died_at_it_makes_room(redis_url: str) -> None:
    async with opened(redis_url) as one, opened(redis_url) as two, raw(redis_url) as redis:
        async with one.restoring() as confirm:
            with pytest.raises(LedgerUnavailable, match="is being restored by somebody else"):
                await two.restoring().__aenter__()
            await confirm()
            assert 10_000 < await redis.pttl("g:restoring") <= 15_000
        async with two.restoring():
            pass
        await redis.set("g:restoring", "somebody who died", px=50)
        await asyncio.sleep(0.06)
        async with one.restoring():
            pass
        assert await redis.keys("*") == []


async def test_a_long_restoration_keeps_its_right(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("governor.ledger.redis.custody._LEASE_MS", 300)
    monkeypatch.setattr("governor.ledger.redis.custody._KEEP", 0.05)
    async with opened(redis_url) as one, opened(redis_url) as two, one.restoring() as confirm:
        await asyncio.sleep(0.6)
        await confirm()
        with pytest.raises(LedgerUnavailable):
            await two.restoring().__aenter__()


async def test_the_end_of_a_restoration_never_hangs(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it comes: also while the right is being kept."""
    monkeypatch.setattr("governor.ledger.redis.custody._KEEP", 0.0003)
    async with opened(redis_url) as one, asyncio.timeout(30):
        for number in range(200):
            async with one.restoring():
                await asyncio.sleep(number % 20 / 5_000)


async def test_what_is_emptied_while_it_is_restored_is_not_taken_for_restored(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("governor.ledger.redis.custody._KEEP", 0.01)
    async with opened(redis_url) as one, opened(redis_url) as two, raw(redis_url) as redis:
        async with one.restoring() as confirm:
            await redis.flushall()
            await asyncio.sleep(0.1)
            with pytest.raises(LedgerUnavailable, match="was emptied while it was restored"):
                await confirm()
            async with two.restoring():
                with pytest.raises(LedgerUnavailable, match="was emptied"):
                    await confirm()
        assert await redis.keys("*") == []


async def test_wiping_deletes_all_of_this_ledger_and_nothing_of_others(redis_url: str) -> None:
    async with raw(redis_url) as redis:
        for prefix in ("g:", "xg:", "g:g:", "g:p:", "tenant.g:"):
            async with opened(redis_url, prefix) as ledger:
                await vouched(ledger)
                await ledger.commit_control(0, ControlState(1))
                changes = [Change(f"p{n}", 0, standing(1, NOW)) for n in range(1_200)]
                await ledger.commit(changes)
                homes = [HouseholdChange(f"h{n}", 0, Household(1)) for n in range(600)]
                await ledger.commit_households(homes)
        await redis.set("session:1", "of somebody else")
        before = {name async for name in redis.scan_iter("*", count=1_000)}
        async with opened(redis_url) as ledger:
            assert len({key async for page in ledger.people() for key in page}) == 1_200
            assert len({key async for page in ledger.household_keys() for key in page}) == 600
            await ledger.wipe()
            assert [page async for page in ledger.people()] == []
            assert [page async for page in ledger.household_keys()] == []
            assert (await ledger.trust()).epoch is None
        after = {name async for name in redis.scan_iter("*", count=1_000)}
        own = (b"g:p:{p", b"g:h:{h", b"g:control", b"g:trust", b"g:due", b"{g:due}")
        assert before - after == {name for name in before if name.startswith(own)}
        assert after < before


async def test_a_cluster_is_vouched_for_and_guarded(redis_cluster: RedisServer) -> None:
    guard = Guard()
    async with (
        opened(redis_cluster.url, "t:", guard=guard) as guarded,
        opened(redis_cluster.url, "t:") as unguarded,
    ):
        assert abs(await unguarded.check_server() - time.time() * 1000) < 5000
        with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
            await guarded.load(["a"])
        trust = await vouched(unguarded)
        assert trust.offsets == APPLIED
        guard.admit(trust.running, trust.epoch)
        assert await guarded.commit([Change("a", 0, standing(1, NOW))]) == [True]
        async with unguarded.restoring():
            await unguarded.wipe()
        with pytest.raises(LedgerUnavailable, match="has not been found whole yet"):
            await guarded.load(["a"])

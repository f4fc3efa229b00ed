"""What only Redis has to answer for: loss of the server, leases, races, room, and refusals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest
import uvloop
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool

from governor.core.standing import STRANGER, ControlState, Standing
from governor.ledger.keys import Pseudonyms
from governor.ledger.packing import peek
from governor.ledger.protocol import Change, LedgerUnavailable
from governor.ledger.redis import RedisLedger, connect
from governor.ledger.trust import Trust
from tests.ledger.clients import opened, raw
from tests.ledger.people import NOW, entry, settled_person, standing
from tests.ledger.servers import SentinelServer
from tests.servers import RedisServer, ServerUnavailableError


async def test_a_settled_person_takes_less_than_400_bytes(redis_url: str) -> None:
    key = Pseudonyms(bytes(32)).of("p-42")
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        for exposures in [(6.0,) * 5, (6.0, 7.04256, 8.1001, 9.33333333, 10.1)]:
            await redis.flushall()
            assert await ledger.commit([Change(key, 0, settled_person(exposures))]) == [True]
            [place] = await redis.keys("*")
            used = await redis.memory_usage(place)
            length = await redis.strlen(place)
            print(f"{len(set(exposures))} exposures: {length} bytes, MEMORY USAGE {used}")
            assert used is not None
            assert used < 400


async def test_the_keys_of_a_person_lie_under_one_hash_tag_and_never_end(redis_url: str) -> None:
    async with opened(redis_url, prefix="x:") as ledger, raw(redis_url) as redis:
        await ledger.commit([Change("p_1", 0, standing(1, NOW))])
        await ledger.commit_control(0, ControlState(1))
        await ledger.found()
        async with ledger.restoring():
            names = set(await redis.keys("*"))
            assert b"x:restoring" in names
        names.remove(b"x:restoring")
        assert names == {b"x:p:{p_1}", b"x:control", b"x:trust", b"x:due", b"{x:due}:by"}
        assert [await redis.ttl(name) for name in names] == [-1] * 5


async def test_a_claim_is_left_alone_for_the_lease_and_comes_back_after_it(
    redis_url: str,
) -> None:
    async with opened(redis_url) as one, opened(redis_url) as two:
        await one.commit([Change(key, 0, standing(1, NOW)) for key in ("a", "b")])
        assert await one.claim(NOW, 1) == ["a"]
        assert await two.claim(NOW, 10) == ["b"]
        assert await one.claim(NOW + 1999, 10) == []
        assert await two.claim(NOW + 2000, 10) == ["a", "b"]


async def test_a_commit_ends_the_lease(redis_url: str) -> None:
    async with opened(redis_url) as ledger:
        await ledger.commit([Change(key, 0, standing(1, NOW)) for key in ("a", "b", "c")])
        assert await ledger.claim(NOW, 10) == ["a", "b", "c"]
        changes = [
            Change("a", 1, standing(2, NOW + 10)),
            Change("b", 1, standing(2, NOW + 9000)),
            Change("c", 1, standing(2)),
        ]
        await ledger.commit(changes)
        assert await ledger.claim(NOW + 10, 10) == ["a"]
        assert await ledger.claim(NOW + 8999, 10) == ["a"]
        assert await ledger.claim(NOW + 90_000, 10) == ["b", "a"]


async def test_a_hint_is_there_before_its_standing(redis_url: str) -> None:
    """INVARIANT (nothing-lost): watched from outside while others write and claim."""
    async with opened(redis_url, lease=0) as ledger, raw(redis_url) as redis:
        writing = True
        seen = 0

        async def write(first: int) -> None:
            for number in range(first, first + 60):
                _, [known] = await ledger.load(["a"])
                wakes = [NOW + number * 7919 % 50] if number % 3 else []
                changed = standing(known.version + 1, *wakes)
                await ledger.commit([Change("a", known.version, changed)])

        async def claim() -> None:
            while writing:
                await ledger.claim(NOW + 25, 10)

        async def watch() -> None:
            nonlocal seen
            while writing:
                pipeline = redis.pipeline(transaction=True)
                pipeline.get("g:p:{a}")
                pipeline.zscore("g:due", "a")
                record, hint = await pipeline.execute()
                _, wake = peek(record)
                if wake is not None:
                    seen += 1
                    assert hint is not None
                    assert hint <= wake

        watching = asyncio.gather(watch(), claim())
        await asyncio.gather(*(write(100 * writer) for writer in range(8)))
        writing = False
        await watching
        assert seen > 20


async def test_a_late_settling_leaves_alone_what_a_later_version_announced(
    redis_url: str,
) -> None:
    async with opened(redis_url) as ledger:
        await ledger.commit([Change("a", 0, standing(1, NOW))])
        await ledger.commit([Change("a", 1, standing(2, NOW + 5))])
        for late in [("a", 1, None), ("a", 1, NOW + 999)]:
            await ledger._settle([late])
            assert await ledger.next_due() == NOW + 5
            # Neither does one that announces an earlier version and loses.
            assert await ledger.commit([Change("a", 0, standing(1, NOW + 999))]) == [False]
        await ledger._settle([("a", 2, None)])
        assert await ledger.next_due() is None
        await ledger._settle([("a", 1, NOW)])
        assert await ledger.next_due() is None


async def test_a_hint_without_a_standing_is_harmless_and_goes_when_claimed(
    redis_url: str,
) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        await redis.zadd("g:due", {"crashed-before-the-commit": NOW})
        assert await ledger.claim(NOW, 10) == []
        assert await redis.exists("g:due") == 0


async def test_scripts_that_redis_forgot_are_loaded_again(redis_url: str) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        for version in (1, 2, 3):
            await redis.script_flush()
            changes = [Change(key, version - 1, standing(version, NOW)) for key in ("a", "b")]
            assert await ledger.commit(changes) == [True, True]
            await redis.script_flush()
            assert await ledger.claim(NOW + 10_000 * version, 10) == ["a", "b"]


async def test_a_killed_redis_is_unavailable_and_the_same_ledger_goes_on_after_it(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as ledger:
        await asyncio.gather(*(ledger.load(["a"]) for _ in range(10)))  # ten open connections
        assert await ledger.commit([Change("a", 0, standing(1))]) == [True]
        own_redis.kill()
        for call in (
            ledger.load(["a"]),
            ledger.commit([Change("a", 1, standing(2, NOW))]),
            ledger.commit_control(0, ControlState(1)),
            ledger.claim(NOW, 10),
            ledger.next_due(),
            anext(ledger.waiting()),
            ledger.trust(),
            ledger.found(),
            ledger.vouch(Trust("x"), NOW, {}),
            ledger.restoring().__aenter__(),
            ledger.wipe(),
            anext(ledger.people()),
            ledger.check_server(),
        ):
            with pytest.raises(LedgerUnavailable, match="redis: could not") as caught:
                await call
            assert caught.value.__cause__ is not None
        own_redis.start()
        for _ in range(12):
            assert await ledger.load(["a"]) == (ControlState(), [standing(1)])
        assert await ledger.commit([Change("a", 1, standing(2, NOW))]) == [True]


async def test_redis_killed_while_writing_leaves_whole_standings_and_their_hints(
    own_redis: RedisServer,
) -> None:
    """INVARIANT (nothing-lost): what was answered is there, nothing is half there."""
    async with opened(own_redis.url) as ledger:
        answered: dict[str, int] = {}
        enough = asyncio.Event()

        async def write(key: str) -> None:
            log: tuple[object, ...] = ()
            for version in range(1, 10_000):
                log = (*log, entry(version, seq=version))[-20:]
                changed = Standing(version, log=log, waiting=standing(0, NOW + version).waiting)  # type: ignore[arg-type]
                await ledger.commit([Change(key, version - 1, changed)])
                answered[key] = version
                if min(answered.values()) == 20 and len(answered) == 5:
                    enough.set()

        async def cut() -> None:
            await enough.wait()
            own_redis.kill()

        keys = [f"k{number}" for number in range(5)]
        ended = await asyncio.gather(*map(write, keys), cut(), return_exceptions=True)
        assert [type(end) for end in ended] == [LedgerUnavailable] * 5 + [type(None)]
        own_redis.start()
        _, found = await ledger.load(keys)
        for key, known in zip(keys, found, strict=True):
            assert known.version in {answered[key], answered[key] + 1}
            assert known.log[-1].seq == known.version
            assert known.waiting[0].wake_at == NOW + known.version
        assert set(await ledger.claim(NOW + 20_000, 10)) == set(keys)


@pytest.mark.parametrize("way", [str, Redis.from_url], ids=["url", "patient client"])
async def test_a_redis_that_hangs_is_unavailable_in_time_and_no_answer_goes_to_another(
    own_redis: RedisServer, way: Callable[[str], str | Redis]
) -> None:
    async with opened(way(own_redis.url), timeout=0.4) as ledger:
        await ledger.commit([Change(key, 0, standing(1, NOW + n)) for n, key in enumerate("ab")])
        own_redis.pause()
        started = time.monotonic()
        calls = [ledger.load(["a"]), ledger.claim(NOW, 1), ledger.load(["a"])]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 10.0
        assert [type(end) for end in ended] == [LedgerUnavailable] * 3
        own_redis.resume()
        for key, wake in (("b", NOW + 1), ("a", NOW)) * 5:
            assert await ledger.load([key]) == (ControlState(), [standing(1, wake)])


async def test_a_full_redis_refuses_the_whole_commit(redis_url: str) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        await ledger.commit([Change("a", 0, standing(1))])
        await redis.config_set("maxmemory", 1)
        try:
            for changed in (standing(2), standing(2, NOW)):
                with pytest.raises(LedgerUnavailable, match="maxmemory"):
                    await ledger.commit([Change("a", 1, changed)])
            assert await ledger.load(["a"]) == (ControlState(), [standing(1)])
            assert await ledger.next_due() is None
        finally:
            await redis.config_set("maxmemory", 0)
        assert await ledger.commit([Change("a", 1, standing(2, NOW))]) == [True]


async def test_a_replica_refuses_the_whole_commit(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as ledger, raw(own_redis.url) as redis:
        await ledger.commit([Change("a", 0, standing(1))])
        await redis.replicaof("127.0.0.1", "1")
        connection = await ledger._client.client_id()
        for changed in (standing(2), standing(2, NOW)):
            with pytest.raises(LedgerUnavailable, match=r"(?i)read ?only"):
                await ledger.commit([Change("a", 1, changed)])
        await redis.replicaof("NO", "ONE")
        # The name of the primary may lead to another machine by now.
        assert await ledger._client.client_id() != connection
        assert await ledger.next_due() is None
        assert await ledger.commit([Change("a", 1, standing(2, NOW))]) == [True]


async def test_a_key_of_another_kind_is_unavailable(redis_url: str) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        await redis.rpush("g:p:{a}", "x")
        with pytest.raises(LedgerUnavailable, match="WRONGTYPE"):
            await ledger.commit([Change("a", 0, standing(1))])
        await redis.rpush("g:control", "x")
        with pytest.raises(LedgerUnavailable, match="WRONGTYPE"):
            await ledger.load(["a"])


async def test_a_record_of_another_governor_is_unavailable(redis_url: str) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        await redis.set("g:p:{a}", b"\x07" + bytes(20))
        with pytest.raises(LedgerUnavailable, match="format 7"):
            await ledger.load(["a"])
        await redis.zadd("g:due", {"a": NOW})
        with pytest.raises(LedgerUnavailable, match="format 7"):
            await ledger.claim(NOW, 10)


async def test_the_server_tells_its_time(redis_ledger: RedisLedger) -> None:
    assert abs(await redis_ledger.check_server() - time.time() * 1000) < 5000


async def test_a_server_that_drops_keys_is_refused(redis_url: str) -> None:
    async with opened(redis_url) as ledger, raw(redis_url) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(LedgerUnavailable, match="`allkeys-lru`, which would drop"):
                await ledger.check_server()
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
        await ledger.check_server()


async def test_where_the_policy_may_not_be_asked_a_warning_says_so(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw(redis_url) as redis:
        rights = {"keys": ["*"], "categories": ["+@all"], "commands": ["-info"]}
        await redis.acl_setuser("gov", enabled=True, passwords=["+pw"], **rights)  # type: ignore[arg-type]
        try:
            url = redis_url.replace("redis://", "redis://gov:pw@")
            async with opened(url) as ledger:
                for _ in range(3):
                    assert await ledger.check_server() > NOW
                assert await ledger.commit([Change("a", 0, standing(1))]) == [True]
        finally:
            await redis.acl_deluser("gov")
    assert caplog.text.count("`maxmemory-policy` is `noeviction`") == 1


async def test_a_wrong_password_is_unavailable(redis_url: str) -> None:
    async with opened(redis_url.replace("redis://", "redis://nobody:wrong@")) as ledger:
        with pytest.raises(LedgerUnavailable, match=r"WRONGPASS|invalid username"):
            await ledger.load(["a"])


async def test_a_sentinel_leads_to_its_primary(own_redis: RedisServer) -> None:
    try:
        sentinel = SentinelServer(own_redis).__enter__()
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    with sentinel:
        async with opened(sentinel.url) as ledger, opened(own_redis.url) as direct:
            assert await ledger.commit([Change("a", 0, standing(1))]) == [True]
            assert (await direct.load(["a"]))[1] == [standing(1)]
            own_redis.kill()
            with pytest.raises(LedgerUnavailable):
                await ledger.load(["a"])
            own_redis.start()
            assert (await ledger.load(["a", "b"]))[1] == [standing(1), STRANGER]


def test_every_way_to_redis_has_an_address() -> None:
    plain = connect("rediss://name:pw@example.org:7000/2")
    assert isinstance(plain, Redis)
    assert plain.connection_pool.connection_kwargs["host"] == "example.org"
    cluster = connect("rediss+cluster://name:p%40w@one:7000,[::1]?ssl_ca_certs=/ca.pem")
    assert isinstance(cluster, RedisCluster)
    assert [(node.host, node.port) for node in cluster.startup_nodes] == [
        ("one", 7000),
        ("::1", 6379),
    ]
    assert cluster.connection_kwargs["password"] == "p@w"
    assert cluster.connection_kwargs["ssl_ca_certs"] == "/ca.pem"
    sentinel = connect("redis+sentinel://:pw@one,two:7001/ledger/3", timeout=1.0)
    assert isinstance(sentinel, Redis)
    pool = sentinel.connection_pool
    assert pool.connection_kwargs["db"] == 3
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "ledger"
    with pytest.raises(ValueError, match="GOVERNOR_REDIS: `http://` is no way to Redis; use"):
        connect("http://secret@localhost")
    for wrong in (
        "redis://host:port/0",
        "redis+cluster://host:port",
        "redis+sentinel://h/ledger/x",
    ):
        with pytest.raises(ValueError, match="GOVERNOR_REDIS: "):
            connect(wrong)


@pytest.mark.parametrize("lease", [0, 2000])
async def test_hints_that_are_too_early_hide_nothing_that_is_due(
    redis_url: str, lease: int
) -> None:
    async with opened(redis_url, lease=lease) as ledger, raw(redis_url) as redis:
        await redis.flushall()
        await ledger.commit([Change("due", 0, standing(1, NOW))])
        await redis.zadd("g:due", {f"stale-{number}": NOW - 10 for number in range(5)})
        assert await ledger.claim(NOW, 2) == ["due"]
        assert await redis.zrange("g:due", 0, -1) == [b"due"]


def test_a_server_that_hangs_up_is_unavailable_on_the_workers_own_loop_too() -> None:
    """There a write to a connection that is gone fails in a way of its own."""
    listening = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        with contextlib.suppress(OSError):
            while True:
                listening.accept()[0].close()

    async def ask() -> None:
        async with opened(f"redis://127.0.0.1:{listening.getsockname()[1]}/0") as ledger:
            for _ in range(300):
                with pytest.raises(LedgerUnavailable, match="redis: could not load: "):
                    await ledger.load(["a"])

    threading.Thread(target=hang_up, daemon=True).start()
    try:
        uvloop.run(ask())
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()

"""The whole ledger of a recorded e-mail log, lost and made again from its topics."""

from __future__ import annotations

import asyncio
import time

import pytest

from governor.config import topics
from governor.core.standing import Standing
from governor.ledger.redis import RedisLedger
from tests.e2e.collector import Json
from tests.e2e.conftest import MakeStage
from tests.e2e.parity import in_kafkas_order, play
from tests.e2e.test_parity import email_policy, recorded
from tests.faults.ledger_faults import command, verified
from tests.servers import RedisServer

__all__ = ["recorded"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def known(url: str, prefix: str) -> dict[str, Standing]:
    """Everybody that the ledger knows."""

    async def load() -> dict[str, Standing]:
        ledger = RedisLedger(url, f"{prefix}g:", timeout=30.0)
        found: dict[str, Standing] = {}
        try:
            async for keys in ledger.people():
                _, standings = await ledger.load(keys)
                found |= dict(zip(keys, standings, strict=True))
        finally:
            await ledger.close()
        return found

    return asyncio.run(load())


def test_the_ledger_of_a_whole_log_is_the_same_again(
    own_redis: RedisServer, make_stage: MakeStage, request: pytest.FixtureRequest
) -> None:
    events: list[Json] = request.getfixturevalue("recorded")
    stage = make_stage(email_policy(), redis=own_redis.url, partitions=3)
    for name in (topics.CONSENTS, topics.PROFILES, topics.FEEDBACK, topics.CANDIDATES):
        # Its records are years old, and the broker would soon let go of them.
        stage.configure(name, retention_ms="-1")
    play(stage, in_kafkas_order(events))
    worker = stage.worker(clock="record")
    stage.wait_for(lambda: not stage.uncommitted(), 400)
    assert worker.stop() == 0
    stage.settings["GOVERNOR_CLOCK"] = "record"
    report = verified(stage)
    before = known(own_redis.url, stage.prefix)
    assert report["people"] == len(before) > 6_000

    for lost in (False, True):
        if lost:
            own_redis.flush()
        began = time.monotonic()
        code, out, err = command(stage, "ledger", "rebuild")
        print(f"{out.strip()}, {time.monotonic() - began:.1f} s")
        assert (code, err) == (0, "")
        after = known(own_redis.url, stage.prefix)
        assert after.keys() == before.keys()
        for key, standing in before.items():
            back = after[key]
            assert (set(back.log), set(back.consents)) == (
                set(standing.log),
                set(standing.consents),
            )
            assert back.profile == standing.profile
            assert {one.message for one in back.waiting} == {
                one.message for one in standing.waiting
            }
            assert back.version >= max((one.seq for one in standing.log), default=0)
        verified(stage)

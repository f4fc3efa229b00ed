"""The gate judges by what is believed, also where doubt comes up between any two of its steps."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Sequence
from typing import Any

import msgspec
import pytest

from governor.config import topics
from governor.core.instant import HOUR, SECOND
from governor.ledger.protocol import Change, LedgerUnavailable
from governor.stream import duties, publisher
from governor.stream.clock_watch import ClockWatch
from governor.stream.duties import Waker
from governor.stream.fetch import Fetch, spans_of
from governor.stream.gate import Gate
from governor.stream.intake import Intake
from governor.stream.producer import Outgoing
from governor.stream.publisher import Publisher
from tests.core.story import at
from tests.rebuild.kept import Kept
from tests.service.arriving import NIGHTS, asked, said, steered
from tests.service.test_governor import Gate as Service
from tests.stream.test_publisher import Written, publishing

READINGS = range(2, 14)
"""Between which readings a clock moves; the first is what it is compared with."""


class Clock:
    """Wall time that moves by 12 hours as it is read for the *moves*-th time."""

    def __init__(self, when: str, moves: int = 0) -> None:
        self.readings, self._moves = 0, moves
        self.time, self.tick = at(when), 1.0
        self.watch = ClockWatch(self.read, lambda: self.tick)

    def read(self) -> int:
        self.readings += 1
        if self.readings == self._moves:
            self.time += 12 * HOUR
        return self.time

    def go_on(self, ms: int) -> None:
        """Let time pass as it should."""
        self.time += ms
        self.tick += ms / SECOND


class Stream:
    """The gate of a worker whose people want no mail at night, and what reached its broker."""

    def __init__(self, clock: Clock, people: Sequence[str] = ("p-1",)) -> None:
        self.people, self.outbox = people, Written()
        self.late: str | None = None
        self.service = Service(quiet_hours=[NIGHTS])
        self.parts = msgspec.structs.replace(
            publishing(self.service, self.outbox, "00:00").parts,
            now=clock.read,
            tick=lambda: clock.tick,
            moved=clock.watch.off,
            late=lambda: self.late,
        )
        self.gate = Gate(self.parts)

    async def asked_at(self, when: str) -> None:
        """Judge one message to everybody, and publish nothing of it."""
        await self.service.judge("00:00", *(said("grant", one) for one in self.people))
        await self.service.judge(when, *(asked("m", one) for one in self.people))

    def published(self, topic: str) -> list[dict[str, str]]:
        values = [one.value for one in self.outbox.records if one.topic == topic]
        return [json.loads(value) for value in values if value is not None]


async def for_a_while(work: Awaitable[object]) -> None:
    """Let *work* go on for longer than all takes here that does not wait."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(work, 0.3)


@pytest.mark.parametrize("moves", READINGS)
async def test_fail_closed_no_candidate_is_judged_by_a_clock_that_moves_as_it_is_read(
    moves: int,
) -> None:
    stream = Stream(Clock("03:00", moves))
    await stream.service.judge("00:00", said("grant"))
    body = json.dumps(asked()[1]).encode()
    record = Kept(topics.CANDIDATES, 0, 0, at("03:00"), b"p-1", body)

    async def handled() -> None:
        publishing = await stream.gate.handle(Fetch("candidates", [record], spans_of([record])))
        assert publishing is not None
        await publishing

    await for_a_while(handled())
    assert stream.published(topics.RELEASED) == []
    assert {one["outcome"] for one in stream.published(topics.DECISIONS)} <= {"defer"}


@pytest.mark.parametrize("moves", READINGS)
async def test_fail_closed_nothing_that_waits_is_woken_by_a_clock_that_moves_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    monkeypatch.setattr(duties, "_WAKE_EVERY", 0.0)
    clock = Clock("03:00", moves)
    stream = Stream(clock)
    await stream.asked_at("03:00")
    await for_a_while(Waker(stream.gate).run())
    assert clock.readings > moves
    assert stream.outbox.records == []


async def test_a_stop_does_not_wait_for_all_that_is_due_in_the_morning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream(Clock("07:00"), [f"p-{number}" for number in range(1_200)])
    await stream.asked_at("03:00")
    stop = json.dumps(steered("stop", "07:00")[1]).encode()
    record = Kept(topics.CONTROL, 0, 0, at("07:00"), b"control", stop)
    claim, told = stream.service.ledger.claim, list[asyncio.Future[Any]]()

    async def then_told(until: int, limit: int) -> list[str]:
        if not told:
            fetch = Fetch("first", [record], spans_of([record]))
            told.append(asyncio.ensure_future(stream.gate.handle(fetch)))
            await asyncio.sleep(0)
        return await claim(until, limit)

    monkeypatch.setattr(stream.service.ledger, "claim", then_told)
    await stream.gate.wake(lambda: True)
    await asyncio.gather(*told)
    assert len(stream.published(topics.RELEASED)) == 500
    codes = [one["code"] for one in stream.published(topics.DECISIONS) if one["code"]]
    assert codes == ["kill_switch"] * 700


async def test_what_is_due_is_judged_as_of_now_though_the_ledger_was_away_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    clock = Clock("18:59")
    stream = Stream(clock)
    await stream.asked_at("03:00")
    load = stream.service.ledger.load

    async def away(keys: Sequence[str]) -> Any:
        monkeypatch.setattr(stream.service.ledger, "load", load)
        clock.go_on(HOUR)
        raise LedgerUnavailable("redis: could not load")

    monkeypatch.setattr(stream.service.ledger, "load", away)
    await stream.gate.wake(lambda: True)
    assert stream.published(topics.RELEASED) == []
    assert {one["code"] for one in stream.published(topics.DECISIONS)} == {"quiet_hours"}


async def test_what_is_due_is_judged_as_of_now_though_others_had_their_turn_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duties, "_WAKE_EVERY", 0.0)
    clock = Clock("18:59")
    stream = Stream(clock)
    await stream.asked_at("03:00")
    send, taken = stream.outbox.send, asyncio.Event()

    async def slow(records: Sequence[Outgoing]) -> None:
        await taken.wait()
        await send(records)

    monkeypatch.setattr(stream.outbox, "send", slow)
    bad = Kept(topics.CONSENTS, 0, 0, at("18:59"), b"p-1", b"no JSON")
    first = asyncio.ensure_future(stream.gate.handle(Fetch("first", [bad], spans_of([bad]))))
    waking = asyncio.ensure_future(Waker(stream.gate).run())
    for _ in range(10):
        await asyncio.sleep(0)
    clock.go_on(HOUR)
    taken.set()
    await first
    await for_a_while(waking)
    assert stream.published(topics.RELEASED) == []
    assert {one["code"] for one in stream.published(topics.DECISIONS)} == {"quiet_hours"}


@pytest.mark.parametrize("woken", [False, True])
async def test_a_release_whose_commit_was_not_answered_for_long_is_judged_again(
    monkeypatch: pytest.MonkeyPatch,
    woken: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    clock = Clock("18:59")
    stream = Stream(clock)
    health = stream.parts.health
    await stream.asked_at("03:00") if woken else await stream.service.judge("00:00", said("grant"))
    commit = stream.service.ledger.commit

    async def unanswered(changes: Sequence[Change]) -> Any:
        monkeypatch.setattr(stream.service.ledger, "commit", commit)
        await commit(changes)
        clock.go_on(HOUR)
        # Whoever watches the ledger finds that it is there again.
        asyncio.get_running_loop().call_later(0.05, health.release, "ledger")
        raise LedgerUnavailable("redis: could not commit")

    monkeypatch.setattr(stream.service.ledger, "commit", unanswered)
    if woken:
        await stream.gate.wake(lambda: True)
    else:
        body = json.dumps(asked()[1]).encode()
        record = Kept(topics.CANDIDATES, 0, 0, at("18:59"), b"p-1", body)
        rest = await stream.gate.handle(Fetch("candidates", [record], spans_of([record])))
        assert rest is not None
        await rest
    assert stream.published(topics.RELEASED) == []
    assert {one["code"] for one in stream.published(topics.DECISIONS)} == {"quiet_hours"}


async def test_fail_closed_waking_ends_as_soon_as_consents_are_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = [f"p-{number}" for number in range(501)]
    stream = Stream(Clock("07:00"), people)
    await stream.asked_at("03:00")
    claim = stream.service.ledger.claim

    async def then_behind(until: int, limit: int) -> list[str]:
        stream.late = "consents are behind"
        return await claim(until, limit)

    monkeypatch.setattr(stream.service.ledger, "claim", then_behind)
    await stream.gate.wake(lambda: True)
    assert len(stream.published(topics.RELEASED)) == 500
    stream.late = None
    await stream.gate.wake(lambda: True)
    assert len(stream.published(topics.RELEASED)) == 501


@pytest.mark.parametrize("committed", [0.0, -2 * publisher.PUBLISH_WITHIN])
async def test_fail_closed_what_was_committed_before_the_clock_moved_waits_until_it_is_believed(
    monkeypatch: pytest.MonkeyPatch, committed: float
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    clock = Clock("10:00")
    stream = Stream(clock)
    await stream.service.judge("00:00", said("grant"))
    judged = await stream.service.judged("10:00", asked(), publish=False)
    clock.time += 12 * HOUR
    going_on = asyncio.ensure_future(
        Publisher(stream.parts).publish(judged, Intake(), lambda: True, committed)
    )
    await for_a_while(asyncio.shield(going_on))
    assert stream.outbox.records == []
    clock.time -= 12 * HOUR
    await going_on
    assert len(stream.published(topics.RELEASED)) == 1


async def test_what_is_no_release_is_published_though_the_clock_is_doubted() -> None:
    clock = Clock("03:00")
    stream = Stream(clock)
    await stream.service.judge("00:00", said("grant"))
    judged = await stream.service.judged("03:00", asked(), publish=False)
    clock.time += 12 * HOUR
    await Publisher(stream.parts).publish(judged, Intake(), lambda: True, 0.0)
    assert [one["outcome"] for one in stream.published(topics.DECISIONS)] == ["defer"]

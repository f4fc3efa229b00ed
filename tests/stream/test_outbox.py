"""What several publish at once through one outbox, on a client that does as the test says."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaError

from governor.config import topics
from governor.core.instant import HOUR
from governor.stream import producer
from governor.stream.intake import Intake
from governor.stream.producer import NotDeliveredError, Outbox, Outgoing
from governor.stream.publisher import Publisher
from tests.service.arriving import asked, said
from tests.stream.test_gate import Clock, Stream

ONE, OTHER = Outgoing("one", b"k", b"1"), Outgoing("other", b"k", b"2")


class Batch:
    """Records that fit whatever they are."""

    def __init__(self) -> None:
        self.count = 0

    def append(self, **_: Any) -> SimpleNamespace:
        self.count += 1
        return SimpleNamespace(size=1)

    def record_count(self) -> int:
        return self.count


class Client:
    """A producer whose batches are under way until the test says what came of them."""

    def __init__(self) -> None:
        self.stopped = False
        self.under_way: dict[str, asyncio.Future[None]] = {}

    async def start(self) -> None:
        """Connect at once."""

    async def stop(self) -> None:
        self.stopped = True

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, _batch: Batch, topic: str, **_: Any) -> asyncio.Future[None]:
        self.under_way[topic] = asyncio.get_running_loop().create_future()
        return self.under_way[topic]


class Slow(Client):
    """One that connects when *connects* says so, and takes everything then."""

    def __init__(self, connects: asyncio.Event) -> None:
        super().__init__()
        self.connects = connects

    async def start(self) -> None:
        await self.connects.wait()

    async def send_batch(self, _batch: Batch, topic: str, **more: Any) -> asyncio.Future[None]:
        sent = await super().send_batch(_batch, topic, **more)
        sent.set_result(None)
        return sent


async def for_a_moment() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_failed_late_on_an_older_client_leaves_the_new_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Client] = []

    def client(**_: Any) -> Client:
        made.append(Client())
        return made[-1]

    monkeypatch.setattr(producer, "AIOKafkaProducer", client)
    outbox = Outbox("x:1")
    one, other = (asyncio.ensure_future(outbox.send([record])) for record in (ONE, OTHER))
    await for_a_moment()
    made[0].under_way["one"].set_exception(KafkaError())
    with pytest.raises(NotDeliveredError):
        await one
    again = asyncio.ensure_future(outbox.send([ONE]))
    await for_a_moment()
    assert [each.stopped for each in made] == [True, False]
    made[0].under_way["other"].set_exception(KafkaError())
    with pytest.raises(NotDeliveredError):
        await other
    late = asyncio.ensure_future(outbox.send([OTHER]))
    await for_a_moment()
    assert [each.stopped for each in made] == [True, False]
    for under_way in made[1].under_way.values():
        under_way.set_result(None)
    await asyncio.gather(again, late)


async def test_what_waited_long_for_a_client_is_judged_again_before_it_is_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Slow(asyncio.Event())
    monkeypatch.setattr(producer, "AIOKafkaProducer", lambda **_: client)
    clock = Clock("18:59")
    stream = Stream(clock)
    await stream.service.judge("00:00", said("grant"))
    judged = await stream.service.judged("18:59", asked(), publish=False)
    parts = msgspec.structs.replace(stream.parts, outbox=Outbox("x:1"))
    publishing = asyncio.ensure_future(
        Publisher(parts).publish(judged, Intake(), lambda: True, clock.tick)
    )
    await for_a_moment()
    clock.go_on(HOUR)
    client.connects.set()
    await publishing
    assert set(client.under_way) == {topics.WAITING, topics.DECISIONS}

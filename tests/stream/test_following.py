"""Consents are relied on only where it is known of all of them that they are applied."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from governor.config import topics
from governor.stream.assignment import Seen
from governor.stream.fetch import Fetch, Partition
from governor.stream.following import Following
from governor.stream.intake import LANES
from governor.stream.settings import StreamSettings
from governor.stream.transport import Consumer
from governor.stream.worker import consumer_of, make_app

CONSENTS = Partition(topics.CONSENTS, 0)
OTHERS = Partition(topics.CONSENTS, 1)


class Group:
    """A consumer in its group, whose rebalances the test makes step by step."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        async def nobody(*_: Any) -> None:
            """Stand for Faust, which is told of every rebalance and has no part in this."""

        monkeypatch.setattr(Consumer.__base__, "on_partitions_revoked", nobody)
        monkeypatch.setattr(Consumer.__base__, "on_partitions_assigned", nobody)
        settings = StreamSettings(brokers="x:1", group="g", topics=LANES, data=folder, **more)
        app = make_app(settings, lambda _fetch: asyncio.sleep(0))
        self.consumer = consumer_of(app)
        self.committed: dict[Partition, int | None] = {CONSENTS: 0}
        self.others: dict[Partition, tuple[int, int]] = {}
        thread = SimpleNamespace(call_thread=self._call, committed="committed", others="others")
        self.consumer._thread.thread_loop.close()
        monkeypatch.setattr(self.consumer, "_thread", thread)
        self.tick = 100.0
        self.following = Following(settings, "", lambda: self.tick)
        self.following.follow(app)

    async def _call(self, what: str, *_: Any) -> Any:
        return getattr(self, what)

    async def assigned(self, *partitions: Partition) -> None:
        """Hear of a new assignment; where each begins is not known yet."""
        await self.consumer.on_partitions_assigned(set(partitions))

    async def ready(self) -> None:
        """Learn where the partitions begin, and go on."""
        if self.committed:
            await self.consumer.perform_seek()
        self.consumer.resume_flow()

    def read_to_the_end(self, end: int = 0) -> None:
        """Learn from the broker, now, that all there is of the own consents is applied."""
        for _ in range(2):
            self.tick += 0.001
            seen = Seen(end, end, round(self.tick * 1_000))
            self.consumer.assigned.admit({}, {CONSENTS: seen}, self.tick)


@pytest.fixture
async def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    return Group(tmp_path, monkeypatch)


async def test_fail_closed_consents_are_late_until_it_is_known_from_where_to_read_them(
    group: Group,
) -> None:
    assert group.following.late() is not None
    await group.assigned(CONSENTS)
    assert group.following.late() is not None
    assert group.following.assigned() is None
    await group.ready()
    assert group.following.late() is not None
    group.read_to_the_end()
    await group.following.look_at_others()
    assert group.following.late() is None


async def test_fail_closed_consents_are_late_while_partitions_are_handed_out_anew(
    group: Group,
) -> None:
    await group.assigned(CONSENTS)
    await group.ready()
    group.read_to_the_end()
    await group.following.look_at_others()
    assert group.following.late() is None
    await group.consumer.on_partitions_revoked({CONSENTS})
    assert group.following.late() is not None
    assert group.following.assigned() is None


async def test_whoever_gets_no_partitions_judges_what_is_due(group: Group) -> None:
    group.committed = {}
    await group.assigned()
    await group.ready()
    await group.following.look_at_others()
    assert group.following.assigned() is not None
    assert group.following.late() is None


async def test_fail_closed_what_others_have_not_read_is_late_from_the_first_look_on(
    group: Group,
) -> None:
    await group.assigned(CONSENTS)
    await group.ready()
    group.read_to_the_end()
    # The other worker died an hour ago; how long its partition stands is not known here.
    assert group.following.late() is not None
    group.others = {OTHERS: (7, 9)}
    await group.following.look_at_others()
    assert group.following.late() is not None
    group.others = {OTHERS: (9, 12)}
    await group.following.look_at_others()
    assert group.following.late() is None
    # A steady flow is no lag, an end that is not reached for long is.
    for late in (False, True):
        group.tick += 4
        group.read_to_the_end()
        await group.following.look_at_others()
        assert (group.following.late() is not None) is late


@pytest.mark.parametrize("replay", [False, True])
async def test_a_replay_commits_each_fetch_for_what_is_repeated_lies_in_its_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, replay: bool
) -> None:
    group = Group(tmp_path, monkeypatch, record_clock=replay)
    begun: list[Any] = []
    monkeypatch.setattr(group.consumer, "commit", lambda: None)
    monkeypatch.setattr(group.consumer, "add_future", begun.append)
    monkeypatch.setattr(group.consumer.assigned, "acknowledge", lambda _fetch: True)
    group.consumer.acknowledge(Fetch("merged", [], []))
    assert len(begun) == replay

"""Topics in memory, read as a rebuild reads those of the broker, and a gate that fills them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from governor.broker import BrokerUnavailable
from governor.codec.decode import EventKind, decode_event
from governor.config import topics
from governor.config.settings import Settings
from governor.core import model
from governor.core.incoming import Incoming, Told
from governor.core.policy import Policy
from governor.core.resolution import Handover, Resolution
from governor.core.standing import Standing
from governor.ledger.keys import Pseudonyms, Sealer
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Ledger
from governor.rebuild import Progress, Rebuild, Source
from governor.service import Arrivals, Governor
from governor.stream.outgoing import Writer

Event = tuple[EventKind, dict[str, Any]]

NAMES = Pseudonyms(bytes(32))
SEALER = Sealer({"k": bytes(32)}, "k")
SETTINGS = Settings.load({"GOVERNOR_TOPIC_PREFIX": "t."})
IN = {kind: topic for kind, topic in topics.OF_KIND.items() if kind != "candidate"}


class Kept(NamedTuple):
    """A record as the broker's client gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class KeptTopics:
    """What every topic holds, each in one partition; `seen` is called before a topic is read."""

    def __init__(self) -> None:
        self.records_of: dict[str, list[Kept]] = {f"t.{one.name}": [] for one in topics.TOPICS}
        self.seen: Callable[[str], None] = lambda _topic: None
        self.away = False

    def put(
        self,
        name: str,
        at: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        kept = self.records_of[f"t.{name}"]
        kept.append(Kept(f"t.{name}", 0, len(kept), at, key, value, tuple(headers)))

    def tell(self, at: int, event: Event) -> None:
        kind, data = event
        if kind in IN:
            self.put(IN[kind], at, None, json.dumps(data).encode())

    def publish(self, at: int, resolutions: Iterable[Resolution]) -> None:
        for out in Writer("t.", SEALER).resolutions(resolutions):
            self.put(out.topic.removeprefix("t."), at, out.key, out.value, out.headers)

    def hand_over(self, at: int, handovers: Iterable[Handover]) -> None:
        for out in Writer("t.", SEALER).handovers(handovers):
            self.put(out.topic.removeprefix("t."), at, out.key, out.value, out.headers)

    def applied(self) -> dict[str, dict[int, int]]:
        """The offsets of inputs after what they hold now."""
        return {name: {0: len(self.records_of[f"t.{name}"])} for name in IN.values()}

    async def records(
        self,
        topic: str,
        *,
        since: int | None = None,
        offsets: Mapping[int, int] | None = None,
    ) -> AsyncIterator[Kept]:
        self.seen(topic)
        start = (offsets or {}).get(0, 0)
        for record in list(self.records_of[topic])[start:]:
            if self.away:
                raise BrokerUnavailable("kafka: away")
            if since is None or record.timestamp >= since:
                yield record


class Gate:
    """A governor on a ledger in memory whose inputs and outputs are kept in topics."""

    def __init__(self, policy: Policy, ledger: Ledger | None = None) -> None:
        self.policy = policy
        self.ledger = ledger or MemoryLedger()
        self.topics = KeptTopics()
        self.resolutions: list[Resolution] = []

    def governor(self) -> Governor:
        return Governor(self.policy, self.ledger, NAMES, SEALER)

    async def happen(self, now: int, *events: Event, hold: bool = False) -> list[Resolution]:
        """Let *events* arrive, judge them, publish what came of it and let go."""
        told: list[Told] = []
        fresh: list[Incoming] = []
        controls: list[model.Control] = []
        for event in events:
            self.topics.tell(now, event)
            value = decode_event(event[0], event[1], now, self.policy)
            if isinstance(value, Told):
                told.append(value)
            elif isinstance(value, Incoming):
                fresh.append(value)
            else:
                controls.append(value)
        judgement = await self.governor().judge(Arrivals(told, fresh, controls), now, hold=hold)
        self.topics.hand_over(now, judgement.handovers)
        return await self.publish(now, judgement.resolutions)

    async def pass_to(self, now: int) -> list[Resolution]:
        """Let time pass, and judge what falls due at its time."""
        came: list[Resolution] = []
        while (due := await self.ledger.next_due()) is not None and due <= now:
            judgement = await self.governor().wake(due)
            self.topics.hand_over(due, judgement.handovers)
            came += await self.publish(due, judgement.resolutions)
        return came

    async def standing(self, person: str) -> Standing:
        """What is known of a person."""
        _, [found] = await self.ledger.load([NAMES.of(person)])
        return found

    async def publish(self, now: int, resolutions: list[Resolution]) -> list[Resolution]:
        self.topics.publish(now, resolutions)
        await self.governor().published(resolutions)
        self.resolutions += resolutions
        return resolutions

    async def restore(
        self,
        monkeypatch: pytest.MonkeyPatch,
        ledger: Ledger,
        source: Source | None = None,
        told: Callable[[Progress], None] = lambda _progress: None,
    ) -> Progress:
        """Read the topics into *ledger*."""

        @asynccontextmanager
        async def reading(*_: object) -> AsyncIterator[KeptTopics]:
            yield self.topics

        monkeypatch.setattr("governor.rebuild.reading", reading)
        rebuild = Rebuild(SETTINGS, self.policy, ledger, NAMES, SEALER, told)
        return await rebuild.run(source or Source(), under_way=0.0)

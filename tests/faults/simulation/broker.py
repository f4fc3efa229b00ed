"""Topics in memory, a consumer group, and a producer that fails on command."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from governor.stream.fetch import Partition
from governor.stream.producer import NotDeliveredError, Outgoing
from tests.faults.oracle import Line
from tests.faults.simulation.faults import Faults
from tests.faults.simulation.loop import OWNER
from tests.rebuild.kept import Kept


@dataclass
class Group:
    """Who owns which partition, and up to where it is done."""

    owners: dict[int, str] = field(default_factory=dict)
    generation: int = 0
    offsets: dict[Partition, int] = field(default_factory=dict)


class Broker:
    """Keeps every record for ever; *now* gives the time (ms) that a record gets."""

    def __init__(self, partitions: int, single: Iterable[str], now: Callable[[], int]) -> None:
        self.partitions = partitions
        self._single = frozenset(single)
        self._now = now
        self.logs: dict[Partition, list[Kept]] = defaultdict(list)
        self.authors: dict[tuple[Partition, int], str] = {}
        """Which process wrote a record."""
        self.group = Group()

    def count(self, topic: str) -> int:
        return 1 if topic in self._single else self.partitions

    def partition_of(self, topic: str, key: bytes | None) -> int:
        return zlib.crc32(key or b"") % self.count(topic)

    def append(self, record: Outgoing) -> None:
        place = Partition(record.topic, self.partition_of(record.topic, record.key))
        log = self.logs[place]
        self.authors[place, len(log)] = OWNER.get()
        log.append(Kept(*place, len(log), self._now(), record.key, record.value, record.headers))

    def topic(self, name: str) -> list[Kept]:
        return [one for place in list(self.logs) if place.topic == name for one in self.logs[place]]

    def lines(self) -> list[Line]:
        return [Line(*kept) for log in self.logs.values() for kept in log]


class SimOutbox:
    """Publishes like the real one: in order per partition, and after a failure any part may be."""

    def __init__(self, broker: Broker, faults: Faults) -> None:
        self._broker = broker
        self._faults = faults

    async def ready(self) -> None:
        """Be there at once."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Publish all records, or raise NotDeliveredError after some."""
        grouped: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        for record in records:
            grouped[record.topic, self._broker.partition_of(record.topic, record.key)].append(
                record
            )
        await self._faults.point("before publish")
        lost = self._faults.away("publish")
        for group in sorted(grouped.values(), key=lambda _: self._faults.draw(1_000)):
            arrived = group[: self._faults.draw(len(group))] if lost else group
            for record in arrived:
                self._broker.append(record)
            await self._faults.point("within publish")
        if lost:
            raise NotDeliveredError(f"{len(records)} records: as the seed wants it")
        await self._faults.point("after publish")

"""What workers published, read as it comes."""

from __future__ import annotations

import json
import threading
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from governor.config import topics

OUTPUTS = (
    topics.RELEASED,
    topics.DECISIONS,
    topics.HANDOVERS,
    topics.DEAD_LETTERS,
    topics.WAITING,
)

Json = dict[str, Any]


class Out(NamedTuple):
    """A record that a worker published; `topic` is without the prefix."""

    topic: str
    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def json(self) -> Json:
        loaded: Json = json.loads(self.value or b"null")
        return loaded

    def header(self, name: str) -> bytes | None:
        found = [content for known, content in self.headers if known == name]
        assert len(found) <= 1, f"{name} comes {len(found)} times"
        return found[0] if found else None


class Collector(threading.Thread):
    """Reads all output topics of one prefix from their beginning, as they come."""

    def __init__(self, brokers: str, prefix: str, partitions: int) -> None:
        super().__init__(name=f"collect-{prefix}", daemon=True)
        self._prefix = prefix
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": f"collect-{prefix}", "log_level": 0}
        )
        names = [prefix + name for name in OUTPUTS]
        self._consumer.assign(
            [TopicPartition(n, p, OFFSET_BEGINNING) for n in names for p in range(partitions)]
        )
        self._ended = threading.Event()
        self.records: list[Out] = []

    def run(self) -> None:
        while not self._ended.is_set():
            for message in self._consumer.consume(500, timeout=0.1):
                if message.error() is None:
                    self.records.append(self._out(message))
        self._consumer.close()

    def end(self) -> None:
        self._ended.set()
        self.join(10)

    def _out(self, message: Any) -> Out:
        return Out(
            message.topic().removeprefix(self._prefix),
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            message.headers() or [],
        )

"""Starts workers as processes and counts, independently of them, what they applied."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.servers import KafkaServer

PROGRAM = Path(__file__).with_name("worker_process.py")
LANES = {"consents": "FIRST", "urgent": "URGENT", "candidates": "CANDIDATES"}


class Bench:
    """Topics and a group of one test, the workers on them, and what these wrote down."""

    def __init__(self, kafka: KafkaServer, folder: Path, partitions: int = 4) -> None:
        self.kafka = kafka
        self.folder = folder
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.topics = {f"{self.name}.{topic}": lane for topic, lane in LANES.items()}
        kafka.create_topics(*self.topics, partitions=partitions)
        # Without idempotence a retry, as a new topic's first leader causes it, changes the order.
        self._producer = Producer(
            {"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, "log_level": 0}
        )
        self._errors: list[KafkaError] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self.sent: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def topic(self, name: str) -> str:
        return f"{self.name}.{name}"

    def send(self, topic: str, values: Iterable[str], **more: Any) -> None:
        for value in values:
            self._producer.produce(
                self.topic(topic), value, on_delivery=self._delivered, **{"key": value} | more
            )
            self._producer.poll(0)
            self.sent.append(value)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0
        assert not self._errors

    def forget(self, topic: str) -> None:
        """Delete all that a topic holds, as retention does in the end."""
        listed = self._producer.list_topics(self.topic(topic), timeout=10)
        whole = [
            TopicPartition(self.topic(topic), number, OFFSET_END)
            for number in listed.topics[self.topic(topic)].partitions
        ]
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})
        for future in admin.delete_records(whole).values():
            future.result(30)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._errors.append(error)

    def start(self, **given: Any) -> subprocess.Popen[bytes]:
        settings = {"session_timeout": 6.0} | given.pop("settings", {})
        number = len(self._workers)
        arguments = {
            "journal": str(self.folder / f"journal-{number}.jsonl"),
            "brokers": self.kafka.bootstrap,
            "group": self.name,
            "topics": self.topics,
            "settings": settings,
            **given,
        }
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, str(PROGRAM), json.dumps(arguments)],
                cwd=PROGRAM.parents[2],
                stderr=log,
            )
        self._workers.append(worker)
        return worker

    def lines(self, number: int | None = None) -> list[dict[str, Any]]:
        pattern = "journal-*.jsonl" if number is None else f"journal-{number}.jsonl"
        found = []
        for journal in sorted(self.folder.glob(pattern)):
            # The last line of a killed worker may be cut short.
            whole = journal.read_text().rpartition("\n")[0]
            found += [json.loads(line) for line in whole.splitlines()]
        return found

    def applied(self, number: int | None = None) -> Counter[str]:
        return Counter(value for line in self.lines(number) for _, _, _, value in line["records"])

    def progress(self, number: int = 0) -> dict[str, Any]:
        written = (self.folder / f"journal-{number}.progress").read_text()
        state: dict[str, Any] = json.loads(written)
        return state

    def log(self, number: int = 0) -> str:
        return (self.folder / f"worker-{number}.log").read_text()

    def wait_for(self, reached: Callable[[], bool], within: float = 90.0) -> float:
        began = time.monotonic()
        while not reached():
            assert time.monotonic() - began < within, self.state()
            time.sleep(0.05)
        return time.monotonic() - began

    def wait_for_all(self, within: float = 90.0) -> None:
        self.wait_for(lambda: not set(self.sent) - set(self.applied()), within)

    def state(self) -> str:
        missing = len(set(self.sent) - set(self.applied()))
        codes = [worker.poll() for worker in self._workers]
        logs = "\n".join(self.log(number)[-3000:] for number in range(len(self._workers)))
        return f"{missing} of {len(self.sent)} missing, exit codes {codes}\n{logs}"

    def end(self, worker: subprocess.Popen[bytes], within: float = 60.0) -> int:
        worker.send_signal(signal.SIGTERM)
        return worker.wait(within)

    def uncommitted(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Return where the group's committed offset is not the partition's end."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap, "group.id": self.name, "log_level": 0}
        )
        try:
            partitions = [
                TopicPartition(topic, number)
                for topic, about in consumer.list_topics(timeout=10).topics.items()
                if topic in self.topics
                for number in about.partitions
            ]
            found = {}
            for each in consumer.committed(partitions, timeout=10):
                end = consumer.get_watermark_offsets(each, timeout=10)[1]
                committed = max(0, each.offset)
                if committed != end:
                    found[each.topic, each.partition] = (committed, end)
            return found
        finally:
            consumer.close()

"""A stage for whole-gate tests: topics, a policy, worker processes, and what came out of them."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

import yaml
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from governor.config import topics
from governor.config.policy_file import load_policy
from governor.config.settings import Settings
from governor.ledger.keys import Pseudonyms
from governor.topics import create
from tests.e2e.collector import OUTPUTS, Collector, Json, Out
from tests.e2e.worker import ROOT, RUN, Worker, wait_until
from tests.servers.process import free_port

KEY = base64.b64encode(b"e2e " * 8).decode()
NAMES = Pseudonyms(base64.b64decode(KEY))

Headers = Sequence[tuple[str, bytes | None]]

T = TypeVar("T")


class Stage:
    """Topics and a ledger of one prefix, the workers on them, and everything that came out."""

    def __init__(
        self, brokers: str, redis: str, folder: Path, policy: Json, *, partitions: int = 2
    ) -> None:
        self.prefix = f"e{uuid.uuid4().hex[:8]}."
        self.folder = folder
        self.policy = folder / "policy.yaml"
        self.rule_by(policy)
        self.settings = {
            "GOVERNOR_BROKERS": brokers,
            "GOVERNOR_REDIS": redis,
            "GOVERNOR_PSEUDONYM_KEY": KEY,
            "GOVERNOR_POLICY": str(self.policy),
            "GOVERNOR_GROUP": f"{self.prefix}workers",
            "GOVERNOR_TOPIC_PREFIX": self.prefix,
            "GOVERNOR_DATA": str(folder / "data"),
            "GOVERNOR_SESSION_TIMEOUT": "6s",
        }
        report = create(Settings.load(self.settings), load_policy(self.policy), partitions)
        assert not report.problems
        self.brokers = brokers
        self._producer = _producer(brokers)
        self._refused: list[KafkaError] = []
        self._collector = Collector(brokers, self.prefix, partitions)
        self._collector.start()
        self.workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        self._collector.end()

    def rule_by(self, policy: Json | str) -> None:
        """Write the policy file that workers read; text is written as it is."""
        text = policy if isinstance(policy, str) else yaml.safe_dump(policy, sort_keys=False)
        part = self.policy.with_suffix(".part")
        part.write_text(text)
        part.rename(self.policy)

    def configure(self, topic: str, **config: str) -> None:
        """Change how the broker keeps *topic*; underscores in names stand for dots."""
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        resource = ConfigResource(
            ConfigResource.Type.TOPIC, self.prefix + topic, incremental_configs=entries
        )
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(30)

    def worker(self, command: Sequence[str] = RUN, **settings: str) -> Worker:
        """Start a worker; *settings* without GOVERNOR_ and in small letters, others as they are."""
        given = {
            name if name.isupper() else f"GOVERNOR_{name.upper()}": value
            for name, value in settings.items()
        }
        env = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "GOVERNOR_METRICS": f"127.0.0.1:{free_port()}",
            **self.settings,
            **given,
        }
        worker = Worker(command, env, self.folder)
        self.workers.append(worker)
        return worker

    def send(
        self,
        topic: str,
        value: Json | bytes,
        *,
        key: str | bytes | None = "",
        headers: Headers = (),
        at: int | None = None,
    ) -> None:
        """Produce one record, keyed by the value's person unless *key* says otherwise."""
        if key == "":
            assert isinstance(value, dict)
            key = "control" if topic == topics.CONTROL else value["person"]
        self._producer.produce(
            self.prefix + topic,
            value if isinstance(value, bytes) else json.dumps(value).encode(),
            key,
            headers=list(headers),
            on_delivery=self._delivered,
            timestamp=at or 0,
        )
        self._producer.poll(0)

    def tell(self, topic: str, *values: Json) -> None:
        """Produce values and wait until the broker has them."""
        for value in values:
            self.send(topic, value)
        self.flush()

    def flush(self) -> None:
        """Wait until the broker has all that was sent."""
        assert self._producer.flush(60) == 0
        assert not self._refused, self._refused

    def reconnect(self) -> None:
        """Learn anew which partitions there are."""
        self.flush()
        self._producer = _producer(self.brokers)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._refused.append(error)

    def found(self, topic: str, matches: Callable[[Out], bool] = bool) -> list[Out]:
        """What *topic* held when last looked at, in order per partition."""
        return [one for one in list(self._collector.records) if one.topic == topic and matches(one)]

    def decisions(self, person: str | None = None, message: str | None = None) -> list[Json]:
        """The decisions published so far, of one person, of one message."""
        key = None if person is None else NAMES.of(person).encode()
        out = self.found(topics.DECISIONS, lambda one: key in (None, one.key))
        lines = [one.json for one in out]
        return [line for line in lines if message in (None, line["message"])]

    def released(self, person: str | None = None) -> list[Json]:
        """What was released so far, to one person."""
        key = None if person is None else person.encode()
        return [one.json for one in self.found(topics.RELEASED, lambda o: key in (None, o.key))]

    def letters(self, matches: Callable[[Out], bool]) -> list[Out]:
        """The dead letters so far."""
        return self.found(topics.DEAD_LETTERS, matches)

    def wait_for(self, reached: Callable[[], T], within: float = 60.0) -> T:
        """Return the first true answer of *reached*."""
        return wait_until(reached, within, self.state)

    def decision(self, person: str, message: str, number: int = 1, within: float = 60.0) -> Json:
        """The decision *number* that was published on a message, as soon as there is one."""
        self.wait_for(lambda: len(self.decisions(person, message)) >= number, within)
        return self.decisions(person, message)[number - 1]

    def final(self, person: str, message: str, within: float = 60.0) -> Json:
        """The final decision on a message, as soon as there is one."""
        self.wait_for(lambda: self._finals(person, message), within)
        return self._finals(person, message)[0]

    def _finals(self, person: str, message: str) -> list[Json]:
        return [one for one in self.decisions(person, message) if one["final"]]

    def state(self) -> str:
        counts = {topic: len(self.found(topic)) for topic in OUTPUTS}
        return f"{counts}\n" + "\n".join(worker.state() for worker in self.workers[-2:])

    def uncommitted(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Where the group's committed offset is not the end of an input's partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": self.settings["GOVERNOR_GROUP"],
                "log_level": 0,
            }
        )
        try:
            listed = consumer.list_topics(timeout=10).topics
            inputs = [
                TopicPartition(name, number)
                for name in listed
                if name.startswith(self.prefix) and name.removeprefix(self.prefix) not in OUTPUTS
                for number in listed[name].partitions
            ]
            found = {}
            for one in consumer.committed(inputs, timeout=10):
                end = consumer.get_watermark_offsets(one, timeout=10)[1]
                if max(0, one.offset) != end:
                    found[one.topic, one.partition] = (max(0, one.offset), end)
            return found
        finally:
            consumer.close()


def _producer(brokers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": brokers,
            "partitioner": "murmur2_random",
            # Else a retry, as a new topic's first leader causes it, changes the order.
            "enable.idempotence": True,
            "message.max.bytes": 9_000_000,
            "log_level": 0,
        }
    )


def people(name: str, count: int) -> list[str]:
    """Names of people that no other test uses."""
    run = uuid.uuid4().hex[:6]
    return [f"{name}-{run}-{number}" for number in range(count)]

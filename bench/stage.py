"""The stage: one Kafka and one Redis, all sides started on them, and how fast each works."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from redis.asyncio import Redis

from bench import load, seed
from bench.machine import cpu_seconds
from bench.machine import load as machine_load
from bench.sides.rules import remember
from governor.config.policy_file import load_policy
from governor.config.settings import Settings
from governor.topics import create
from tests.servers import KafkaServer, RedisServer

POLICY: Final = Path(__file__).with_name("policy.yaml")
PARTITIONS: Final = 4
_AT_ONCE = 500
_PATIENCE = 120.0
_SMALL = 0.05
_IDLE = 2.0
LOOK: Final = 0.05
"""Seconds between two looks at how much is done; looking costs the broker time."""

Records = Sequence[tuple[bytes, bytes]]


class Run(msgspec.Struct):
    """One side at work: results a second, and processor time of each (microseconds)."""

    results: int
    rate: float
    cpu_us: float
    redis_us: float
    kafka_us: float
    load: float


class Side:
    """One way of doing the work, as a process that waits for candidates.

    `reads` is its input topic, `writes` the topic in which its results are counted.
    """

    def __init__(self, name: str, command: Sequence[str], prefix: str, stage: "Stage") -> None:
        self.name = name
        self.prefix = prefix
        governor = name == GOVERNOR
        self.reads = f"{prefix}{'outreach.' if governor else ''}candidates"
        self.released = f"{prefix}{'outreach.' if governor else ''}released"
        decides = name in DECIDING
        self.writes = self.released.replace("released", "decisions") if decides else self.released
        self.command = command
        self._env = {**os.environ, **stage.environment(prefix)}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self.command],
            env=self._env,
            stdout=self._log,
            stderr=self._log,
        )

    def must_live(self) -> None:
        """Raise with its last words when the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            self._log.seek(0)
            words = self._log.read().decode(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{words}")

    def stop(self) -> None:
        """End the process, by force when it does not do as it is told."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


GOVERNOR: Final = "governor"
RULES: Final = "faust with the same rules"
TUNED: Final = "faust passing on, tuned"
NAIVE: Final = "faust passing on, naive"
AIOKAFKA: Final = "aiokafka passing on"
DECIDING: Final = (GOVERNOR, RULES)


class Stage:
    """The servers, and everything that is done to them."""

    def __init__(self, kafka: KafkaServer, redis: RedisServer) -> None:
        self.kafka = kafka
        self.redis = redis
        self._counter = Consumer(
            {"bootstrap.servers": kafka.bootstrap, "group.id": "counter", "log_level": 0}
        )
        self._producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )

    def environment(self, prefix: str) -> dict[str, str]:
        """Return the settings of a worker whose topics have *prefix*."""
        return {
            "GOVERNOR_BROKERS": self.kafka.bootstrap,
            "GOVERNOR_REDIS": self.redis.url,
            "GOVERNOR_TOPIC_PREFIX": prefix,
            "GOVERNOR_POLICY": str(POLICY),
            "GOVERNOR_PSEUDONYM_KEY": seed.KEY,
            "GOVERNOR_GROUP": f"{prefix}governor",
            "GOVERNOR_METRICS": "127.0.0.1:0",
            "GOVERNOR_DATA": tempfile.gettempdir() + f"/governor-bench-{os.getpid()}",
            "GOVERNOR_LOG": "error",
        }

    def sides(self, names: Sequence[str]) -> list[Side]:
        """Make the topics of the sides, not yet started."""
        broker, redis = self.kafka.bootstrap, self.redis.url
        commands = {
            GOVERNOR: ["governor", "run"],
            RULES: ["bench.sides.rules", broker, redis, "rules."],
            TUNED: ["bench.sides.stock", "tuned", broker, "tuned."],
            NAIVE: ["bench.sides.stock", "naive", broker, "naive."],
            AIOKAFKA: ["bench.sides.passing", broker, "plain."],
        }
        made = []
        for name in names:
            prefix = "governor." if name == GOVERNOR else commands[name][-1]
            if name == GOVERNOR:
                settings = Settings.load(self.environment(prefix))
                report = create(settings, load_policy(POLICY), PARTITIONS)
                assert not report.problems, report.problems
            else:
                topics = [f"{prefix}{topic}" for topic in ("candidates", "released", "decisions")]
                self.kafka.create_topics(*topics, partitions=PARTITIONS)
            made.append(Side(name, commands[name], prefix, self))
        return made

    def produce(self, topic: str, records: Records) -> None:
        """Write *records* and wait until all are acknowledged."""
        for key, value in records:
            self._producer.produce(topic, key=key, value=value)
        if self._producer.flush(60):
            raise RuntimeError(f"{topic}: not everything could be produced")

    def written(self, topic: str) -> int:
        """Return how many records *topic* holds."""
        return sum(self.ends(topic))

    def ends(self, topic: str) -> list[int]:
        """Return where each partition of *topic* ends."""
        return [
            self._counter.get_watermark_offsets(TopicPartition(topic, number), timeout=20)[1]
            for number in range(PARTITIONS)
        ]

    def measure(self, side: Side, records: Records) -> Run:
        """Give *side* all *records* at once; return how fast it works them off.

        The clock runs from the first results that are seen; of a side that gives them out in
        large lots, from when the first candidate was sent, for the first lot took its time too.
        """
        begun, busy = self.written(side.writes), machine_load()
        first = (time.monotonic(), 0, self._spent(side))
        self.produce(side.reads, records)
        deadline = time.monotonic() + _PATIENCE
        while True:
            done = self.written(side.writes) - begun
            mark = (time.monotonic(), done, self._spent(side))
            if first[1] == 0 and done <= len(records) * _SMALL:
                first = mark if done else first
            if done >= len(records):
                break
            side.must_live()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{side.name}: {done} of {len(records)} results, then nothing")
            time.sleep(LOOK)
        count = mark[1] - first[1]
        own, redis, kafka = (
            (after - before) / count * 1e6 for before, after in zip(first[2], mark[2], strict=True)
        )
        return Run(count, count / (mark[0] - first[0]), own, redis, kafka, busy)

    def idle(self, sides: Sequence[Side]) -> float:
        """Return how many cores *sides* keep busy with nothing to do."""
        before = sum(cpu_seconds(side.pid) for side in sides)
        time.sleep(_IDLE)
        return (sum(cpu_seconds(side.pid) for side in sides) - before) / _IDLE

    def _spent(self, side: Side) -> tuple[float, float, float]:
        return (
            cpu_seconds(side.pid),
            cpu_seconds(self.redis.pid),
            cpu_seconds(self.kafka.pid),
        )

    def beside(self, side: Side) -> Side:
        """Return another process that shares the work of *side*, not yet started."""
        return Side(side.name, side.command, side.prefix, self)

    def ready(
        self, people: int, count: int, block: int, generation: str, *, also: bool = True
    ) -> Records:
        """Return candidates as `load.blocks` has them, for people whom the ledgers know."""
        chosen = load.blocks(people, count, block, generation)
        self.introduce(list(dict.fromkeys(chosen)), also=also)
        return load.candidates(chosen)

    def introduce(self, people: Sequence[str], *, also: bool = True) -> None:
        """Let both ledgers know *people*: their consent and the same send log for everybody.

        With *also* the Redis of the Faust app with rules knows them as well.
        """
        asyncio.run(self._introduce(people, also=also))

    async def _introduce(self, people: Sequence[str], *, also: bool) -> None:
        await seed.introduce(self.redis.url, "governor.g:", people)
        if also:
            now = time.time_ns() // 1_000_000
            redis = Redis.from_url(self.redis.url)
            for start in range(0, len(people), _AT_ONCE):
                some = people[start : start + _AT_ONCE]
                await remember(redis, some, load.sends_before(now), now)
            await redis.aclose()


@contextmanager
def staged(names: Sequence[str]) -> Iterator[tuple[Stage, list[Side]]]:
    """Start the servers and the sides, and end them again."""
    with KafkaServer() as kafka, RedisServer() as redis:
        stage = Stage(kafka, redis)
        sides = stage.sides(names)
        try:
            for side in sides:
                side.start()
            yield stage, sides
        finally:
            for side in sides:
                side.stop()

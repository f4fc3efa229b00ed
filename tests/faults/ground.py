"""A gate with random traffic on it, and what must hold of it once a fault is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from governor.config import topics
from governor.config.settings import Settings
from governor.restoration import compare
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, closed_zone, consent
from tests.e2e.worker import RUN, Worker
from tests.faults.crash import read_topics
from tests.faults.crash_traffic import Sent, Traffic, policy
from tests.faults.oracle import Book, Bounds, Line, Report, Rules, examine
from tests.faults.oracle.records import INPUTS
from tests.servers import RedisServer

Json = dict[str, Any]

_LATE = 6_000
_FORMER = 1_000
_HELD = "governor_held_closed_seconds_total"


class Ground:
    """A stage with workers, traffic that the seed chooses, and the oracle at the end."""

    def __init__(
        self, brokers: str, redis: RedisServer, folder: Path, seed: int, *, way: str = ""
    ) -> None:
        """*way* is how workers reach Redis, when not directly."""
        zone = closed_zone(open_=True)
        self.rules = policy(datetime.now(ZoneInfo(zone)), zone)
        self.stage = Stage(brokers, way or redis.url, folder, self.rules, partitions=2)
        self.redis = redis
        self._chance = Random(seed)
        self._at = 0
        self._buried: list[Line] = []
        crowd = [f"c{seed}-{number}" for number in range(8)]
        self._traffic = Traffic(Random(seed + 1), crowd, lambda: self._at)
        self._read = {topics.RELEASED: 0, topics.DECISIONS: 0}

    def begin(
        self, command: Sequence[str] = RUN, *, traffic: bool = True, **settings: str
    ) -> Worker:
        """Start a worker and, once it judges, the traffic."""
        worker = self.stage.worker(command, **settings).wait_until_ready(90)
        if traffic:
            self.send(self._traffic.opening())
            self.busy(10)
        return worker

    def bury(self, lines: Sequence[Line]) -> None:
        """Keep for the oracle what inputs hold that are about to be deleted."""
        gone = [line for line in lines if line.topic in INPUTS]
        self._buried += [line._replace(partition=line.partition - _FORMER) for line in gone]

    # --- traffic

    def send(self, records: Sequence[Sent]) -> None:
        """Produce records of one moment, and only then go on to the next."""
        self._at = max(self._at + 1, time.time_ns() // 1_000_000)
        for sent in records:
            self.stage.send(sent.topic, sent.value, key=sent.key, headers=sent.headers, at=self._at)
        self.stage.flush()

    def busy(self, count: int) -> None:
        """Let so many things happen, and senders and reviewers answer what came out so far."""
        while count > 0:
            several = self._chance.choice([1, 2, 6])
            count -= several
            self.send([self._traffic.next() for _ in range(several)])
            self._react()

    def _react(self) -> None:
        answers: list[Sent] = []
        for released in self._new(topics.RELEASED):
            if released["person"].startswith("c"):
                answers += self._traffic.replies_to(released)
        for decision in self._new(topics.DECISIONS):
            if decision["outcome"] == "review":
                answers += self._traffic.answer_to(decision["message"])
        if answers:
            self.send(answers)

    def _new(self, topic: str) -> list[Json]:
        found = self.stage.found(topic)
        start, self._read[topic] = self._read[topic], len(found)
        return [out.json for out in found[start:]]

    def greet(self, name: str, count: int = 12) -> list[str]:
        """Let people come who have agreed, and return their names once that is applied."""
        names = people(f"x-{name}", count)
        self.stage.tell(topics.CONSENTS, *map(consent, names))
        self.stage.wait_for(lambda: not self._unread(topics.CONSENTS))
        return names

    def write_to(self, names: Sequence[str], **more: Any) -> None:
        """Let an engine ask for one message to each, which nothing but a fault can keep back."""
        wanted = (candidate(one, f"{one}.1", campaign="plain", **more) for one in names)
        self.stage.tell(topics.CANDIDATES, *wanted)

    def _unread(self, topic: str) -> bool:
        return any(name.endswith(topic) for name, _ in self.stage.uncommitted())

    # --- what came of it

    def reached(self, names: Sequence[str]) -> list[str]:
        """Return to whom of *names* something was released, once for each time."""
        wanted = set(names)
        return [one["person"] for one in self.stage.released() if one["person"] in wanted]

    def wait_until_reached(self, names: Sequence[str], within: float = 60.0) -> None:
        """Wait until something was released to each of *names*."""
        self.stage.wait_for(lambda: set(self.reached(names)) == set(names), within)

    def at_rest(self, within: float = 60.0, applied_within: int = 60_000, **bounds: Any) -> Report:
        """Wait until all is applied and published, and return what the oracle says of it.

        Ledger and topics have to agree, save where topics were deleted.
        What a worker has just decided may be half published while the topics are read. What is
        wrong stays wrong, so only what is still wrong when all is said is wrong.
        """
        for worker in self.stage.workers:
            if worker.process.poll() is None:
                worker.wait_until_ready(within)
        self.stage.wait_for(lambda: not self.stage.uncommitted(), within)
        allowed = Bounds(applied_within=applied_within, **bounds)
        deadline = time.monotonic() + within
        while True:
            lines = [*self._buried, *read_topics(self.stage.brokers, self.stage.prefix)]
            ended = time.time_ns() // 1_000_000 - _LATE
            report = examine(Book(lines, Rules(self.rules), self.stage.prefix), allowed, ended)
            differing = [] if report.defects or self._buried else self._differing()
            if not (report.defects or differing) or time.monotonic() > deadline:
                break
            time.sleep(1.0)
        assert not report.defects, str(report)
        assert not differing, differing
        assert report.outcomes["release"] > 0
        return report

    def _differing(self) -> list[str]:
        """Say where ledger and topics differ, the way to the ledger being the direct one."""
        settings = Settings.load({**self.stage.settings, "GOVERNOR_REDIS": self.redis.url})
        found = asyncio.run(compare(settings, lambda _: None)).differences
        return [f"{one.key}: {one.what}" for one in found]


@contextmanager
def ground(
    brokers: str, redis: RedisServer, folder: Path, seed: int, **more: Any
) -> Iterator[Ground]:
    """Make a ground, and end its workers afterwards."""
    made = Ground(brokers, redis, folder, seed, **more)
    with made.stage:
        yield made


def held(worker: Worker, cause: str) -> float:
    """For how long the worker has held for *cause*, in seconds."""
    return worker.metric(_HELD, cause=cause)


def wait_until_held(stage: Stage, worker: Worker, cause: str, *, longer: float = 0.0) -> str:
    """Wait until the worker holds for *cause*, so much longer than before, and says so.

    Returns what it says. Meanwhile it is alive and not ready.
    """
    before, within = held(worker, cause), 60 + longer
    words = stage.wait_for(lambda: worker.reasons().get(cause), within)
    stage.wait_for(lambda: held(worker, cause) > before + longer, within)
    assert worker.ask("/health/live")[0] == 200
    assert worker.metric("governor_ready") == 0
    assert worker.metric("governor_live") == 1
    return str(words)

"""Crash runs on real Kafka and Redis: `python -m tests.faults.crash --crashes 1000 --seed 7`.

Workers die, freeze and end at points that the seed chooses, while random traffic flows; when all
has come to rest the oracle reads the topics. The seed fixes traffic and plans, not the timing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pickle
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from governor.bootstrap import ledger_of
from governor.config.settings import Settings
from governor.restoration import compare
from governor.sender import Once
from tests.e2e.kit import Stage
from tests.e2e.values import closed_zone
from tests.e2e.worker import Worker
from tests.faults.crash_traffic import Json, Sent, Traffic, policy
from tests.faults.crash_worker import POINTS, SHARED_POINTS
from tests.faults.oracle import Book, Bounds, Line, Report, Rules, examine
from tests.faults.oracle.records import INPUTS, OUTPUTS, RELEASED
from tests.servers import KafkaServer, RedisServer

COMMAND = [sys.executable, "-m", "tests.faults.crash_worker"]
BOUNDS = Bounds(applied_within=60_000)
TICK = 0.1
GRACE = 6.0
REST_WITHIN = 120.0
_WORDS = 6_000
_HOW = ["kill"] * 6 + ["freeze"] * 3 + ["stop"] * 2


@dataclass
class Outcome:
    """What came of a crash run."""

    seed: int
    report: Report
    disturbances: Counter[str]
    seconds: float
    sent_once: int = 0
    dropped: int = 0
    last_words: list[str] = field(default_factory=list)
    """What workers said that ended by themselves, with another code than 0."""

    def __str__(self) -> str:
        what = ", ".join(f"{count} {name}" for name, count in sorted(self.disturbances.items()))
        return (
            f"seed {self.seed}: {self.disturbances.total()} disturbances in {self.seconds:.0f} s"
            f" ({what}); a sender sent {self.sent_once} and dropped {self.dropped}\n{self.report}"
        )


@dataclass
class Member:
    """A worker, how it is to end, and when a frozen one may go on."""

    worker: Worker
    name: str
    frozen_until: float | None = None
    planned: str = ""
    kill_at: float = field(default=float("inf"))


class CrashRun:
    """Keeps traffic and disturbances going on a stage; with *homes* people share households."""

    def __init__(
        self, stage: Stage, seed: int, workers: int, mutation: str = "", *, homes: bool = False
    ) -> None:
        self._stage = stage
        self._chance = Random(seed)
        self._mutation = {"MUTATION": mutation} if mutation else {}
        self._at = 0
        people = [f"p-{number}" for number in range(12)]
        self._traffic = Traffic(Random(seed + 1), people, lambda: self._at, homes=homes)
        self._points = [*POINTS, *SHARED_POINTS * 2] if homes else list(POINTS)
        self._members: list[Member] = []
        self._due: list[tuple[float, str]] = [(0.0, f"w-{number}") for number in range(workers)]
        self._static = self._chance.random() < 0.5
        self._read = {RELEASED: 0, "outreach.decisions": 0}
        self.disturbances: Counter[str] = Counter()
        self.last_words: list[str] = []

    def run(self, seconds: float, crashes: int) -> None:
        """Go on until the time is over and there were enough crashes, then come to rest."""
        for _ in range(len(self._due)):
            self._start()
        self._until_one_is_ready(90)
        self._send(self._traffic.opening())
        began = time.monotonic()
        while time.monotonic() - began < seconds or self.disturbances.total() < crashes:
            self._send([self._traffic.next() for _ in range(self._chance.choice([1, 2, 6]))])
            self._react()
            self._look_after_workers()
            time.sleep(TICK)
        self._come_to_rest()

    def _until_one_is_ready(self, within: float) -> None:
        """Wait for a worker; even now one may freeze, and has to be let go on."""
        deadline = time.monotonic() + within
        while all(member.worker.reasons() for member in self._members):
            assert time.monotonic() < deadline, self._stage.state()
            self._look_after_workers()
            time.sleep(TICK)

    # --- traffic

    def _send(self, records: list[Sent]) -> None:
        """Produce records of one moment, and only then go on to the next."""
        self._at = max(self._at + 1, time.time_ns() // 1_000_000)
        for sent in records:
            self._stage.send(
                sent.topic, sent.value, key=sent.key, headers=sent.headers, at=self._at
            )
        self._stage.flush()

    def _react(self) -> None:
        answers: list[Sent] = []
        released = self._new(RELEASED)
        answers += [sent for out in released for sent in self._traffic.replies_to(out)]
        for decision in self._new("outreach.decisions"):
            if decision["outcome"] == "review":
                answers += self._traffic.answer_to(decision["message"])
        if answers:
            self._send(answers)

    def _new(self, topic: str) -> list[Json]:
        found = self._stage.found(topic)
        start, self._read[topic] = self._read[topic], len(found)
        return [out.json for out in found[start:]]

    # --- disturbances

    def _start(self, *, calm: bool = False) -> None:
        _, name = self._due.pop(0)
        settings = {"PYTHONPATH": str(Path(__file__).parents[2]), "session_timeout": "6s"}
        member_name = {"instance": name} if self._static else {}
        plan, kill_at = "", float("inf")
        if not calm:
            how, point = self._chance.choice(_HOW), self._chance.choice(self._points)
            plan = f"{point}:{self._chance.choice([1, 1, 2, 4, 8])}:{how}"
            # A worker that does not come to its point is killed wherever it is.
            kill_at = time.monotonic() + self._chance.uniform(8, 20)
        planned = {"CRASH_PLAN": plan} if plan else {}
        worker = self._stage.worker(COMMAND, **settings, **member_name, **planned, **self._mutation)
        self._members.append(Member(worker, name, planned=plan, kill_at=kill_at))

    def _look_after_workers(self) -> None:
        now = time.monotonic()
        for member in list(self._members):
            if member.worker.process.poll() is not None:
                self._members.remove(member)
                self._note(member)
                self._due.append((now + self._chance.choice([0.0, 1.0, 3.0]), member.name))
            elif member.frozen_until is None and _is_frozen(member.worker.process.pid):
                self.disturbances["freeze"] += 1
                member.frozen_until = now + self._chance.choice([1.0, 4.0, 9.0, 14.0])
                member.kill_at = member.frozen_until + self._chance.uniform(3, 15)
            elif member.frozen_until is not None and now > member.frozen_until:
                member.worker.process.send_signal(signal.SIGCONT)
                member.frozen_until = float("inf")
            elif now > member.kill_at:
                member.worker.kill()
        while self._due and min(self._due)[0] <= now:
            self._due.sort()
            self._start()

    def _note(self, member: Member) -> None:
        code = member.worker.process.returncode
        known = {-signal.SIGKILL: "kill", 0: "end in order"}
        if code not in known:
            words = member.worker.words[-_WORDS:]
            self.last_words.append(f"{member.name}, {member.planned}: exit {code}\n{words}")
        self.disturbances[known.get(code, f"exit {code}")] += 1

    # --- the end

    def _come_to_rest(self) -> None:
        """End every worker that has a plan, and let two calm ones do what is left."""
        for member in self._members:
            member.worker.process.send_signal(signal.SIGCONT)
            member.worker.kill()
        self._members.clear()
        self._due = [(0.0, "w-0"), (0.0, "w-1")]
        self._start(calm=True)
        self._start(calm=True)
        self._send(self._traffic.closing())
        for member in self._members:
            member.worker.wait_until_ready(90)
        self._stage.wait_for(lambda: not self._stage.uncommitted(), REST_WITHIN)
        deadline = time.monotonic() + REST_WITHIN
        seen, since = -1, time.monotonic()
        # Until nothing has come out for longer than what waits for a short time has to wait.
        while time.monotonic() - since < GRACE and time.monotonic() < deadline:
            time.sleep(0.5)
            self._react()
            count = len(self._stage.found("outreach.decisions"))
            if count != seen:
                seen, since = count, time.monotonic()
        self._stage.wait_for(lambda: not self._stage.uncommitted(), REST_WITHIN)
        for member in self._members:
            member.worker.stop()


def _is_frozen(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state == "T"


def read_topics(brokers: str, prefix: str) -> list[Line]:
    """Return every record of the topics with *prefix*."""
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": f"oracle-{prefix}", "log_level": 0}
    )
    try:
        listed = consumer.list_topics(timeout=10).topics
        places = [
            TopicPartition(prefix + name, number, OFFSET_BEGINNING)
            for name in (*INPUTS, *OUTPUTS)
            for number in listed[prefix + name].partitions
        ]
        ends = {
            (p.topic, p.partition): consumer.get_watermark_offsets(p, timeout=10)[1] for p in places
        }
        consumer.assign(places)
        left = {place: end for place, end in ends.items() if end}
        lines: list[Line] = []
        deadline = time.monotonic() + 60
        while left and time.monotonic() < deadline:
            for message in consumer.consume(1_000, timeout=0.5):
                line = _line(message, prefix)
                if message.error() is None and line.offset < ends[prefix + line.topic, line[1]]:
                    lines.append(line)
            for place in list(left):
                [at] = consumer.position([TopicPartition(*place)])
                if at.offset >= left[place]:
                    del left[place]
        assert not left, f"not read to their end: {left}"
        return lines
    finally:
        consumer.close()


def _line(record: Any, prefix: str) -> Line:
    return Line(
        record.topic().removeprefix(prefix),
        record.partition(),
        record.offset(),
        record.timestamp()[1],
        record.key(),
        record.value(),
        record.headers() or [],
    )


def crash(
    brokers: str,
    redis: str,
    folder: Path,
    seed: int,
    *,
    seconds: float = 30.0,
    crashes: int = 0,
    workers: int = 2,
    mutation: str = "",
    homes: bool = False,
) -> Outcome:
    """Run until both *seconds* and *crashes* are reached, then examine what the topics hold.

    With *homes* people share households, and what the ledger holds of these is compared too.
    """
    zone = closed_zone(open_=True)
    rules = policy(datetime.now(ZoneInfo(zone)), zone, homes=homes)
    began = time.monotonic()
    with Stage(brokers, redis, folder, rules, partitions=3) as stage:
        run = CrashRun(stage, seed, workers, mutation, homes=homes)
        run.run(seconds, crashes)
        ended = time.time_ns() // 1_000_000 - round(GRACE * 1_000)
        lines = read_topics(brokers, stage.prefix)
        unlike = asyncio.run(unlike_the_topics(stage)) if homes else []
    (folder / "topics").write_bytes(pickle.dumps((lines, rules, stage.prefix, ended)))
    report = examine(Book(lines, Rules(rules), stage.prefix), BOUNDS, ended)
    report.defects.extend(unlike)
    outcome = Outcome(seed, report, run.disturbances, time.monotonic() - began)
    outcome.last_words = run.last_words
    once = Once()
    for line in (line for line in lines if line.topic == RELEASED):
        if once.is_new(line.key, line.headers):
            once.sent(line.key, line.headers)
            outcome.sent_once += 1
        else:
            outcome.dropped += 1
    return outcome


async def unlike_the_topics(stage: Stage) -> list[str]:
    """Return where the ledger of households is not what went out to their people, exactly."""
    settings = Settings.load(stage.settings)
    found = await compare(settings, lambda _: None)
    defects = [f"never-above-a-cap: {one.key}: {one.what}" for one in found.differences]
    ledger = ledger_of(settings)
    try:
        async for keys in ledger.household_keys():
            for key, household in zip(keys, await ledger.households(keys), strict=True):
                left = [slot for slot in household.slots if slot.hold is not None]
                defects += [f"never-above-a-cap: {key}: left over: {slot}" for slot in left]
    finally:
        await ledger.close()
    return defects


@contextmanager
def servers() -> Iterator[tuple[KafkaServer, RedisServer]]:
    """Start a broker and a Redis of one's own."""
    with KafkaServer() as kafka, RedisServer() as redis:
        yield kafka, redis


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--crashes", type=int, default=0, help="at least so many disturbances")
    parser.add_argument("--seconds", type=float, default=30.0, help="traffic for at least so long")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--homes", action="store_true", help="people share households")
    parser.add_argument("--mutation", default="", help="break the product first")
    parser.add_argument("--logs", type=Path, help="an empty folder to keep logs and topics in")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with servers() as (kafka, redis), tempfile.TemporaryDirectory() as scratch:
        folder = options.logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = crash(
            kafka.bootstrap,
            redis.url,
            folder,
            options.seed,
            seconds=options.seconds,
            crashes=options.crashes,
            workers=options.workers,
            mutation=options.mutation,
            homes=options.homes,
        )
    print(outcome)
    print(*outcome.last_words, sep="\n\n")
    return 1 if outcome.report.defects else 0


if __name__ == "__main__":
    sys.exit(main())

"""Plays one run from its seed and lets the oracle examine it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import yaml

from governor.codec.waiting import decode_waiting
from governor.config import topics
from governor.config.policy_file import load_policy
from governor.core.household import slot_id
from governor.core.policy import Policy
from governor.core.standing import REFUNDED
from governor.ledger.memory import MemoryLedger
from governor.stream.fetch import Partition
from governor.stream.intake import LANES
from governor.stream.producer import Outgoing
from tests.faults.crash_traffic import Json, Sent, Traffic, policy
from tests.faults.oracle import Book, Bounds, Line, Report, Rules, examine
from tests.faults.simulation.broker import Broker
from tests.faults.simulation.faults import Faults, Weather
from tests.faults.simulation.loop import VirtualLoop
from tests.faults.simulation.worker import SEALER, SimWorker, World

BEGIN = datetime(2026, 5, 4, 12, 10, tzinfo=UTC)
SESSION = 6.0
REST_WITHIN = 400.0
QUIET = 40
GRACE = 5_000
CUT_OFF = 10.0
"""Whoever is killed so soon after a late word on what waits has not taken it back yet."""
BOUNDS = Bounds(applied_within=60_000)


@dataclass(frozen=True)
class Played:
    """What came of one run."""

    seed: int
    report: Report
    faults: dict[str, int]
    steps: int

    @property
    def defects(self) -> list[str]:
        return self.report.defects


class Run:
    """One run: its world, its processes, and who makes the traffic."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self._chance = Random(seed)
        self.loop = VirtualLoop(Random(self._chance.random()))
        self.loop.set_exception_handler(lambda *_: None)
        self._begin = round(BEGIN.timestamp() * 1_000)
        single = {name for name, topic in topics.named("") if topic.single}
        self.broker = Broker(self._chance.choice([1, 2]), single, self.now)
        weather = Weather.of(self._chance)
        self.faults = Faults(self.loop, Random(self._chance.random()), weather)
        self.world = World(self.loop, self.broker, self.faults, policy)
        people = [f"p-{number}" for number in range(self._chance.choice([1, 2, 4]))]
        self.traffic = Traffic(
            Random(self._chance.random()), people, self.now, homes=policy.by_household
        )
        self._workers: dict[str, SimWorker] = {}
        self._frozen_since: dict[str, float] = {}
        self._started = 0
        self._twins = self._chance.random() < 0.2
        self._grain = self._chance.choice([1, 1, 1_000])
        self._read = {topics.RELEASED: 0, topics.DECISIONS: 0}

    def now(self) -> int:
        """Return the time in ms; in some runs it moves by whole seconds, so that borders meet."""
        return self._begin + round(self.loop.time() * 1_000) // self._grain * self._grain

    async def play(self) -> None:
        for sent in self.traffic.opening():
            self._produce(sent)
        for _ in range(2):
            self._start_worker()
        group = self.loop.create_task(self._coordinate())
        for _ in range(self._chance.choice([10, 20, 45])):
            await asyncio.sleep(self._chance.choice([0.0, 0.01, 0.1, 0.5, 1.5]))
            for _ in range(self._chance.choice([1, 1, 2, 5])):
                self._produce(self.traffic.next())
            self._react()
            await self._maybe_restart()
        for sent in self.traffic.closing():
            self._produce(sent)
        self.faults.end()
        await self._rest()
        group.cancel()

    def _produce(self, sent: Sent) -> None:
        record = Outgoing(sent.topic, sent.key.encode(), sent.value, sent.headers)
        self.broker.append(record)

    def _react(self) -> None:
        """Let senders and reviewers answer what came out since the last time."""
        for value in self._new(topics.RELEASED):
            for sent in self.traffic.replies_to(value):
                self._produce(sent)
        for value in self._new(topics.DECISIONS):
            if value["outcome"] == "review":
                for sent in self.traffic.answer_to(value["message"]):
                    self._produce(sent)

    def _new(self, topic: str) -> Iterator[Json]:
        records = self.broker.topic(topic)
        start, self._read[topic] = self._read[topic], len(records)
        # Partitions are read one after the other, so a few may be seen twice or late.
        for record in records[start:]:
            yield json.loads(record.value or b"{}")

    # --- processes

    def _start_worker(self) -> None:
        self._started += 1
        name = f"worker-{self._started}"
        skew = self._chance.choice([0, 0, -400, 400])
        worker = SimWorker(self.world, name, lambda: self.now() + skew)
        self._workers[name] = worker
        worker.start()

    async def _maybe_restart(self) -> None:
        """Now and then end a worker in order and start another."""
        if self._workers and self._chance.random() < 0.04:
            name = self._chance.choice(list(self._workers))
            if not self.loop.frozen(name):
                worker = self._workers.pop(name)
                self.loop.spawn(name, worker.let_go())
                await asyncio.sleep(6.0)
                self.loop.kill(name)
                self._start_worker()

    async def _coordinate(self) -> None:
        """Do what the group's coordinator and the orchestrator do."""
        dead_at: dict[str, float] = {}
        told: tuple[str, ...] = ()
        while True:
            await asyncio.sleep(0.2)
            now = self.loop.time()
            while self.faults.killed:
                name = self.faults.killed.pop()
                if self._workers.pop(name, None) is not None:
                    dead_at[name] = now
                    self.loop.call_later(self._chance.choice([0.5, 3.0]), self._start_worker)
            alive = []
            for name in self._workers:
                if self.loop.frozen(name):
                    since = self._frozen_since.setdefault(name, now)
                    if now - since < SESSION:
                        alive.append(name)
                else:
                    self._frozen_since.pop(name, None)
                    alive.append(name)
            # The members that died still own theirs until their session ends.
            ghosts = [
                n for n, at in dead_at.items() if now - at < (0.5 if self._twins else SESSION)
            ]
            members = tuple(sorted([*alive, *ghosts]))
            if members != told:
                told = members
                await self._rebalance(members)

    async def _rebalance(self, members: tuple[str, ...]) -> None:
        group = self.broker.group
        settling = []
        for name, worker in self._workers.items():
            if worker.generation >= 0 and not self.loop.frozen(name):
                settling.append(self.loop.spawn(name, worker.let_go()))
        if settling:
            await asyncio.wait(settling, timeout=6.0)
        group.generation += 1
        for name, worker in self._workers.items():
            mine = [
                number
                for number in range(self.broker.partitions)
                if members and members[number % len(members)] == name
            ]
            if self.loop.frozen(name):
                # It learns of it some steps after it wakes, and works on as a zombie till then.
                self.loop.spawn(name, self._learn(worker, mine, group.generation))
            else:
                worker.take(mine, group.generation)

    async def _learn(self, worker: SimWorker, mine: list[int], generation: int) -> None:
        await asyncio.sleep(self._chance.choice([0.0, 0.1, 1.0, 3.0]))
        if generation == self.broker.group.generation:
            worker.lose()
            worker.take(mine, generation)

    # --- the end

    def lines(self) -> Iterator[Line]:
        """Return what the topics hold, but for late words that nobody could take back.

        Who was frozen may say that a message waits which others have decided since; it takes that
        back at once, but not when it is killed first. A rebuild knows better from the decisions.
        """
        last: dict[bytes, int] = {}
        for line in self.broker.lines():
            if line.topic != topics.WAITING:
                yield line
                continue
            key, attempt = line.key or b"", _attempt(line)
            late = attempt is not None and attempt < last.get(key, 0)
            if not (late and self._cut_off(line)):
                last[key] = sys.maxsize if attempt is None else attempt
                yield line

    def _cut_off(self, line: Line) -> bool:
        place = Partition(line.topic, line.partition), line.offset
        died = self.loop.died.get(self.broker.authors[place])
        wrote = (line.at - self._begin) / 1_000
        return died is not None and died - wrote < CUT_OFF

    async def _rest(self) -> None:
        """Go on until everything is read, judged, acknowledged and committed."""
        deadline = self.loop.time() + REST_WITHIN
        quiet = 0
        while (quiet < QUIET or not self.at_rest()) and self.loop.time() < deadline:
            await asyncio.sleep(0.5)
            self._react()
            quiet = quiet + 1 if self.at_rest() else 0
            self.world.closing = quiet >= QUIET

    def at_rest(self) -> bool:
        done = self.broker.group.offsets
        return (
            all(worker.at_rest for worker in self._workers.values())
            and not any(self.loop.frozen(name) for name in self._workers)
            and all(
                done.get(place, 0) >= len(log)
                for place, log in self.broker.logs.items()
                if place.topic in LANES
            )
        )


def rules_of(*, homes: bool) -> Json:
    """Return the policy that a run is judged by, as it is written."""
    return policy(BEGIN, homes=homes)


def load(*, homes: bool = False, **sections: Json) -> Policy:
    """Load the policy that runs are judged by, with *sections* beside its own.

    With *homes* it counts by household too.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(yaml.safe_dump({**rules_of(homes=homes), **sections}, sort_keys=False))
        return load_policy(path)


def play(seed: int, policy: Policy, **sections: Json) -> Played:
    """Play the run of *seed*; the same seed gives the same run. *sections* are those of `load`."""
    run = Run(seed, policy)
    try:
        run.loop.run_until_complete(run.play())
        ended, at_rest, lines = run.now() - GRACE, run.at_rest(), list(run.lines())
        steps = run.loop.steps
    finally:
        run.loop.bury()
    rules = Rules({**rules_of(homes=policy.by_household), **sections})
    report = examine(Book(lines, rules), BOUNDS, ended)
    report.defects.extend(unlike_the_people(run.world.store.ledger))
    report.defects.extend(stale_bodies(lines))
    report.defects.extend(f"a worker ended by itself: {error!r}" for error in run.world.errors)
    if not at_rest:
        report.defects.append("nothing-lost: the run did not come to rest")
    return Played(seed, report, run.faults.counts, steps)


def unlike_the_people(ledger: MemoryLedger) -> Iterator[str]:
    """What is known of a household is what is known of its people, each release once.

    What a crash has left reserved may still be there when its message was for another household
    the next time; nothing of it counts as taken.
    """
    expected: dict[str, set[tuple[int, int, bool]]] = defaultdict(set)
    for key, standing in ledger._standings.items():
        for entry in standing.log:
            if entry.household is not None and entry.counts:
                slot = (slot_id(key, entry.message), entry.at, entry.settled == REFUNDED)
                expected[entry.household].add(slot)
    for name in {*expected, *ledger.household_keys()}:
        slots = [slot for slot in ledger._households[name].slots if slot.hold is None]
        found = [(slot.id, slot.at, slot.refunded) for slot in slots]
        if len(found) != len(set(found)) or set(found) != expected[name]:
            yield f"never-above-a-cap: {name} has {found} and its people {expected[name]}"


def _attempt(line: Line) -> int | None:
    """Return which decision a body on the topic of what waits is of; None for a tombstone."""
    if line.value is None:
        return None
    waiting, _ = decode_waiting(SEALER.open(line.value, line.key or b""))
    return waiting.attempt


def stale_bodies(lines: Iterable[Line]) -> Iterator[str]:
    """What lies last on the topic of what waits is what was decided last; only we can open it."""
    last: dict[bytes, Line] = {}
    attempts: dict[str, int] = {}
    for line in sorted(lines, key=lambda line: line.offset):
        if line.topic == topics.WAITING and line.key is not None:
            last[line.key] = line
        elif line.topic == topics.DECISIONS:
            decision = json.loads(line.value or b"{}")
            key = f"{decision['person']}|{decision['message']}"
            attempts[key] = max(attempts.get(key, 0), decision["attempt"])
    for place, line in last.items():
        attempt = _attempt(line)
        if attempt is not None and attempt != attempts.get(place.decode(), 0):
            yield f"one-verdict: {place.decode()}: what waits is kept as of an earlier attempt"

"""Plays the sample day through the worker: what goes in, and what comes out of it."""

import time
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from governor.config import topics
from governor.core.instant import parse_instant
from governor.demo.day import Came, Day, Foretold, Gathering, Handover, Letter
from governor.demo.machine import PREFIX, Machine
from governor.demo.script import Beat, Step
from governor.demo.signals import undisturbed
from governor.demo.view import View

_PATIENCE = 15.0
_IMPATIENCE = 0.5
_OUTPUTS = (
    topics.DECISIONS,
    topics.RELEASED,
    topics.DEAD_LETTERS,
    topics.HANDOVERS,
    topics.WAITING,
)


class _Awaited(msgspec.Struct):
    """What should have come out up to now."""

    refused: int = 0
    repeated: int = 0
    handed: int = 0
    gathered: set[str] = msgspec.field(default_factory=set)

    def add(self, step: Step) -> None:
        """Await what is to come of *step*, decisions apart."""
        self.refused += step.refused
        self.repeated += step.repeated
        self.handed += step.hands_over is not None
        if step.gathers:
            self.gathered.add(step.data["id"])


class Play:
    """One performance of the sample day; what comes out is gathered in `day`."""

    def __init__(self, machine: Machine, foretold: Foretold, view: View) -> None:
        self.day = Day()
        self._machine = machine
        self._view = view
        self._foretold = [
            (parse_instant(one["decided_at"]), one["outcome"] == "release")
            for one in foretold.decisions.values()
        ]
        self._places = {id: place for place, id in enumerate(foretold.decisions)}
        self._awaited = _Awaited()
        self._patience = _PATIENCE
        with undisturbed():
            self._consumer = _reading(machine)

    def perform(self, beats: Iterable[Beat]) -> None:
        """Play every beat; after each, wait for what should come of it and show it."""
        try:
            for beat in beats:
                self._view.beat(beat)
                for step in beat.steps:
                    self._machine.broker.send(step, beat.at)
                    self._awaited.add(step)
                releases = [released for at, released in self._foretold if at <= beat.at]
                self._gather(len(releases), sum(releases))
                self._view.pause(self.day)
        finally:
            with undisturbed():
                self._consumer.close()

    def _gather(self, decided: int, released: int) -> None:
        """Wait until so much has come out, and show it; once it stays away, wait less."""
        came: list[Came] = []
        deadline = time.monotonic() + self._patience
        while not self._complete(decided, released):
            with undisturbed():
                messages = self._consumer.consume(100, timeout=0.05)
            for message in messages:
                if message.error() is None:
                    came += self._take(message)
            self._machine.check()
            if time.monotonic() > deadline:
                self._patience = _IMPATIENCE
                break
        for one in sorted(came, key=self._place):
            self._view.came(one, self.day)

    def _complete(self, decided: int, released: int) -> bool:
        """Tell whether all that is awaited is there, what gathers too: the clock waits for it."""
        awaited, day = self._awaited, self.day
        return (
            len(day) >= decided + awaited.refused + awaited.repeated
            and day.sent >= released + awaited.repeated
            and len(day.handovers) >= awaited.handed
            and day.gathered >= awaited.gathered
        )

    def _place(self, came: Came) -> tuple[int, str]:
        """Return where it belongs among what came of one beat: partitions have no order."""
        last = len(self._places)
        if isinstance(came, Letter):
            return -1, came.reason
        if isinstance(came, Gathering):
            return -1, came.message
        if isinstance(came, Handover):
            return last + 1, came.person
        return self._places.get(came["id"], last), ""

    def _take(self, message: Message) -> Iterator[Came]:
        topic, value = str(message.topic()), message.value() or b""
        if topic.endswith(topics.RELEASED):
            self.day.release(value)
        elif topic.endswith(topics.DECISIONS):
            yield self.day.decide(value)
        elif topic.endswith(topics.HANDOVERS):
            yield self.day.hand_over(value)
        elif topic.endswith(topics.WAITING):
            yield from self._waits(message)
        else:
            yield self.day.bury(value, _reason(message))

    def _waits(self, message: Message) -> Iterator[Gathering]:
        """Tell of what begins to gather; of all else that waits there is a decision."""
        key = message.key()
        person, _, name = (key if isinstance(key, bytes) else b"").decode().partition("|")
        if name in self._awaited.gathered - self.day.gathered:
            yield self.day.gather(Gathering(person, name))


def _reason(message: Message) -> str:
    headers = dict(message.headers() or ())
    reason = headers.get("dlq_reason")
    return reason.decode() if isinstance(reason, bytes) else "no reason"


def _reading(machine: Machine) -> Consumer:
    """Read all that governor publishes from the beginning, belonging to no group."""
    consumer = Consumer(
        {
            "bootstrap.servers": machine.broker.address,
            "group.id": "demo-view",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
    )
    about = consumer.list_topics(timeout=10).topics
    consumer.assign(
        [
            TopicPartition(PREFIX + topic, number, 0)
            for topic in _OUTPUTS
            for number in about[PREFIX + topic].partitions
        ]
    )
    return consumer

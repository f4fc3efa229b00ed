"""Plays the sample day through the worker: what goes in, and what comes out of it."""

import time
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, Message, TopicPartition

from governor.config import topics
from governor.core.instant import parse_instant
from governor.demo.day import Day, Decision, Letter
from governor.demo.machine import PREFIX, Machine
from governor.demo.script import Beat
from governor.demo.signals import undisturbed
from governor.demo.view import View

_PATIENCE = 15.0
_IMPATIENCE = 0.5
_OUTPUTS = (topics.DECISIONS, topics.RELEASED, topics.DEAD_LETTERS)


class Play:
    """One performance of the sample day; what comes out is gathered in `day`."""

    def __init__(self, machine: Machine, foretold: dict[str, Decision], view: View) -> None:
        self.day = Day()
        self._machine = machine
        self._view = view
        self._foretold = [
            (parse_instant(one["decided_at"]), one["outcome"] == "release")
            for one in foretold.values()
        ]
        self._places = {id: place for place, id in enumerate(foretold)}
        self._patience = _PATIENCE
        with undisturbed():
            self._consumer = _reading(machine)

    def perform(self, beats: Iterable[Beat]) -> None:
        """Play every beat; after each, wait for what should come of it and show it."""
        refused = repeated = 0
        try:
            for beat in beats:
                self._view.beat(beat)
                for step in beat.steps:
                    self._machine.broker.send(step, beat.at)
                    refused += step.refused
                    repeated += step.repeated
                releases = [released for at, released in self._foretold if at <= beat.at]
                self._gather(len(releases) + refused + repeated, sum(releases) + repeated)
                self._view.pause(self.day)
        finally:
            with undisturbed():
                self._consumer.close()

    def _gather(self, published: int, sent: int) -> None:
        """Wait until so much has come out, and show it; once it stays away, wait less."""
        came: list[Decision | Letter] = []
        deadline = time.monotonic() + self._patience
        while len(self.day) < published or self.day.sent < sent:
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

    def _place(self, came: Decision | Letter) -> int:
        """Return where it belongs among what came of one beat: partitions have no order."""
        return -1 if isinstance(came, Letter) else self._places.get(came["id"], len(self._places))

    def _take(self, message: Message) -> Iterator[Decision | Letter]:
        topic, value = str(message.topic()), message.value() or b""
        if topic.endswith(topics.RELEASED):
            self.day.release(value)
        elif topic.endswith(topics.DECISIONS):
            yield self.day.decide(value)
        else:
            yield self.day.bury(value, _reason(message))


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

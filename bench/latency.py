"""Latency under a steady load, from the moment at which a candidate was due to be sent."""

import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.stage import Records, Side, Stage

_WARM: Final = 0.25
_PATIENCE = 60.0


class Latency(msgspec.Struct):
    """From scheduled send to the result in a consumer's hands, in milliseconds."""

    per_second: float
    count: int
    p50: float
    p99: float
    most: float


class _Decided(msgspec.Struct):
    message: str


class _Sent(msgspec.Struct):
    id: str


def latency(stage: Stage, side: Side, records: Records, per_second: float) -> Latency:
    """Send *records* evenly, whatever comes back, and see when each one's result arrives.

    A candidate that could not be sent in time counts from when it should have been: that a slow
    side or sender delays the next candidates hides nothing. The first quarter warms up.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": stage.kafka.bootstrap,
            "group.id": "latency",
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }
    )
    consumer.assign(
        [TopicPartition(side.writes, n, end) for n, end in enumerate(stage.ends(side.writes))]
    )
    consumer.poll(1.0)
    start = time.monotonic() + 0.5
    sender = threading.Thread(target=_send, args=(stage, side.reads, records, per_second, start))
    sender.start()
    places = {
        msgspec.json.decode(value, type=_Sent).id: place for place, (_, value) in enumerate(records)
    }
    waits: dict[int, float] = {}
    deadline = start + len(records) / per_second + _PATIENCE
    while len(waits) < len(records):
        record = consumer.poll(0.2)
        if record is not None and record.error() is None:
            decided = msgspec.json.decode(record.value() or b"", type=_Decided)
            place = places[decided.message]
            waits.setdefault(place, time.monotonic() - start - place / per_second)
        side.must_live()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{side.name}: {len(waits)} of {len(records)} results in time")
    sender.join()
    consumer.close()
    counted = sorted(wait * 1000 for place, wait in waits.items() if place >= len(records) * _WARM)
    return Latency(
        per_second, len(counted), _share(counted, 0.5), _share(counted, 0.99), counted[-1]
    )


def _send(stage: Stage, topic: str, records: Records, per_second: float, start: float) -> None:
    producer = Producer(
        {
            "bootstrap.servers": stage.kafka.bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "log_level": 0,
        }
    )
    for place, (key, value) in enumerate(records):
        ahead = start + place / per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        producer.produce(topic, key=key, value=value)
        producer.poll(0)
    producer.flush(30)


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

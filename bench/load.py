"""The load: candidates for people chosen by Zipf's law, and the consents that let them through."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer

TOPICS = ("shoes", "hats", "books", "garden")


def people(count: int, candidates: int, seed: int) -> list[str]:
    """Return the person of each candidate: few get many, most get few."""
    choose = random.Random(seed)
    weights = [1 / rank for rank in range(1, count + 1)]
    chosen = choose.choices(range(count), weights=weights, k=candidates)
    return [f"person-{number:07d}" for number in chosen]


def consents(chosen: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield a grant for everybody who will get a candidate."""
    at = _text(datetime.now(UTC) - timedelta(days=1))
    for person in dict.fromkeys(chosen):
        yield (
            person,
            _json(
                id=f"c-{person}",
                person=person,
                at=at,
                action="grant",
                purpose="marketing",
                basis="consent",
            ),
        )


def candidates(chosen: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield a candidate of about 700 bytes for each of *chosen*."""
    at = _text(datetime.now(UTC))
    for number, person in enumerate(chosen):
        yield (
            person,
            _json(
                id=f"m-{number:08d}",
                person=person,
                campaign=f"campaign-{number % 7}",
                category="promotional",
                topic=TOPICS[number % 4],
                priority=50,
                created_at=at,
                variants=[
                    {
                        "id": "plain",
                        "channel": "email",
                        "uses": [],
                        "content": {"template": "t-10"},
                    }
                ],
                model={"id": "next-best", "version": "3.1", "reasons": ["recent_view"]},
                payload={"subject": "s" * 80, "body": "b" * 260},
            ),
        )


def produce(bootstrap: str, topic: str, records: Iterator[tuple[str, bytes]]) -> int:
    """Write *records* and wait until all are acknowledged; return how many."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    count = 0
    for key, value in records:
        producer.produce(topic, key=key, value=value)
        producer.poll(0)
        count += 1
    if producer.flush(120):
        raise RuntimeError(f"{topic}: not everything could be produced")
    return count


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()

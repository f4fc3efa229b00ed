"""The load: candidates for people chosen by Zipf's law, and what is known of them beforehand."""

import itertools
import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from governor.core.instant import DAY
from governor.core.standing import Consent, Entry, Standing, name64

TOPICS: Final = ("shoes", "hats", "books", "garden")
CAMPAIGNS: Final = 7
SENT_BEFORE: Final = 5
"""How long everybody's send log is when a round begins."""


class Send(msgspec.Struct, frozen=True):
    """A send that everybody has behind them."""

    message: str
    at: int
    campaign: str
    topic: str
    exposure: float


def people(population: int, candidates: int, generation: str) -> list[str]:
    """Return the person of each candidate: few get many, most get few.

    Nobody is in two generations, so that every round begins with the same send logs.
    """
    choose = random.Random(generation)
    cumulative = list(itertools.accumulate(1 / rank for rank in range(1, population + 1)))
    chosen = choose.choices(range(population), cum_weights=cumulative, k=candidates)
    return [f"{generation}-{number:07d}" for number in chosen]


def blocks(population: int, count: int, size: int, generation: str) -> list[str]:
    """Return the person of each of *count* candidates, in blocks of *size* with their own people.

    A side that is given more blocks than another meets nobody more often.
    """
    return [
        person
        for start in range(0, count, size)
        for person in people(population, size, f"{generation}-{start // size}")
    ][:count]


def candidates(chosen: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return key and value, of about 700 bytes, of a candidate for each of *chosen*."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [
        (person.encode(), json.dumps(_candidate(number, person, at)).encode())
        for number, person in enumerate(chosen)
    ]


def _candidate(number: int, person: str, at: str) -> dict[str, object]:
    return {
        "id": f"m-{number:08d}",
        "person": person,
        "campaign": f"campaign-{number % CAMPAIGNS}",
        "category": "promotional",
        "topic": TOPICS[number % len(TOPICS)],
        "priority": 50,
        "created_at": at,
        "variants": [
            {
                "id": "plain",
                "channel": "email",
                "uses": [{"attribute": "browsing_history", "source": "observed"}],
                "content": {"template": "t-10"},
            }
        ],
        "model": {"id": "next-best", "version": "3.1", "reasons": ["recent_view"]},
        "payload": {"subject": "s" * 80, "body": "b" * 260},
    }


def sends_before(now: int, count: int = SENT_BEFORE) -> list[Send]:
    """Return what everybody got before *now* (ms): one a day, the last one 36 hours ago."""
    return [
        Send(f"before-{day}", now - day * DAY - DAY // 2, f"earlier-{day}", TOPICS[day % 4], 2.5)
        for day in range(count, 0, -1)
    ]


def standing(now: int, sends: Iterable[Send]) -> Standing:
    """Return what the ledger knows of somebody who consented and got *sends*."""
    entries = [
        Entry(
            message=name64(send.message),
            at=send.at,
            category="promotional",
            campaign=name64(send.campaign),
            channel="email",
            topic=name64(send.topic),
            exposure=send.exposure,
            seq=place,
            digest=name64(send.message),
        )
        for place, send in enumerate(sends, 2)
    ]
    grant = Consent("grant", "marketing", None, None, "consent", now - 30 * DAY)
    return Standing(version=len(entries) + 1, consents=(grant,), log=tuple(entries))

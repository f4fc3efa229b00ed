"""Records of the topics as they were read back, and the little that is needed to read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

Json = dict[str, Any]

URGENT = "outreach.candidates.urgent"
CANDIDATES = ("outreach.candidates", URGENT)
CANCELLATIONS = "outreach.cancellations"
CONSENTS = "people.consents"
PROFILES = "people.profiles"
FEEDBACK = "outreach.feedback"
REVIEWS = "governor.reviews"
CONTROL = "governor.control"
FACTS = (CANCELLATIONS, CONSENTS, PROFILES, FEEDBACK, REVIEWS)
INPUTS = (*CANDIDATES, *FACTS, CONTROL)
RELEASED = "outreach.released"
DECISIONS = "outreach.decisions"
WAITING = "governor.waiting"
LETTERS = "outreach.dead-letters"
OUTPUTS = (RELEASED, DECISIONS, WAITING, LETTERS)

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Line(NamedTuple):
    """One record; `topic` is without prefix, `at` is the record's time in ms."""

    topic: str
    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    def header(self, name: str) -> str | None:
        found = [content for known, content in self.headers if known == name]
        return None if not found or found[-1] is None else found[-1].decode()


def read(value: bytes | None) -> Json | None:
    """Return the JSON object that a value is, None when it is none."""
    try:
        loaded = json.loads(value or b"")
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) else None


@lru_cache(maxsize=4096)
def instant(text: object) -> int | None:
    """Return a written time in ms; None when there is none, ValueError when it is no time."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    whole = round(moment.replace(microsecond=0).timestamp()) * 1_000
    return whole + moment.microsecond // 1_000


def moment(text: object) -> int:
    """Return a written time in ms."""
    at = instant(text)
    if at is None:
        raise ValueError("a time is missing")
    return at


def duration(text: str) -> int:
    """Return a written duration, such as 15m, in ms."""
    return int(text[:-1]) * _UNITS[text[-1]]

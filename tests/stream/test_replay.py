"""A replay tells how it gets on within a fetch, whatever may fall due in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from governor.config import topics
from governor.core.instant import HOUR, MINUTE
from governor.stream.fetch import Fetch, spans_of
from governor.stream.gate import Gate
from governor.stream.replay import Replay
from tests.core.story import at
from tests.rebuild.kept import Kept
from tests.service.arriving import NIGHTS, asked, said, steered
from tests.service.test_governor import Gate as Service
from tests.stream.test_publisher import Written, publishing

HOME = {"id": "home", "per": ["household"], "limit": 9, "window": "24h"}
TOPICS = {
    "candidate": topics.CANDIDATES,
    "consent": topics.CONSENTS,
    "control": topics.CONTROL,
}


def record(when: int, number: int, event: tuple[str, dict[str, Any]]) -> Kept:
    kind, data = event
    key = data.get("person", "control").encode()
    return Kept(TOPICS[kind], 0, number, when, key, json.dumps(data).encode())


async def steps(records: list[Kept], **sections: Any) -> int:
    """Replay *records* as one fetch and return in how many steps."""
    parts = publishing(Service(quiet_hours=[NIGHTS], **sections), Written(), "00:00").parts
    fetch = Fetch("merged", records, spans_of(records))
    await Replay(parts, Gate(parts)).handle(fetch)
    return fetch.steps


@pytest.mark.parametrize("caps", [[], [HOME]], ids=["alone", "in households"])
async def test_each_moment_that_is_judged_is_a_step(caps: list[Any]) -> None:
    start = at("10:00")
    grant = record(start, 0, said("grant"))
    mails = [record(start + n * MINUTE, n, asked(f"m-{n}")) for n in range(1, 21)]
    assert await steps([grant, *mails], caps=caps) >= 20


@pytest.mark.parametrize("last", ["candidate", "control"])
async def test_a_crowd_that_is_woken_gets_on_step_by_step(last: str) -> None:
    start, people = at("03:00"), [f"p-{n}" for n in range(1_200)]
    grants = [record(start - HOUR, n, said("grant", one)) for n, one in enumerate(people)]
    mails = [record(start, n, asked("m", one)) for n, one in enumerate(people)]
    bell = steered("pause", campaign="other") if last == "control" else asked("n", "bell")
    records = [*grants, *mails, record(start + 12 * HOUR, 1, bell)]
    assert await steps(records) >= await steps(records[:-1]) + 2

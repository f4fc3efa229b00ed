"""What is published last of a message that waits is true, whoever says it and however late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from governor.config import topics
from governor.health import Health
from governor.ledger.memory import MemoryLedger
from governor.metrics import Metrics
from governor.stream import publisher
from governor.stream.intake import Intake, Reader
from governor.stream.outgoing import Writer
from governor.stream.producer import NotDeliveredError, Outbox, Outgoing
from tests.core.story import at
from tests.service.arriving import NIGHTS, asked, said
from tests.service.ledgers import FailingLedger
from tests.service.test_governor import KEY, Gate


class Written:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def ready(self) -> None:
        """Be there at once."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        self.records += records


class Choosy(Written):
    """A broker that takes no records of which *refuses* says so."""

    def __init__(self, refuses: Callable[[Sequence[Outgoing]], bool]) -> None:
        super().__init__()
        self.refuses = refuses

    async def send(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0)
        if self.refuses(records):
            raise NotDeliveredError("it takes none of these")
        await super().send(records)


def publishing(gate: Gate, outbox: Written, now: str) -> publisher.Publisher:
    metrics = Metrics()
    sealer: Any = gate.governor._sealer
    parts = publisher.Parts(
        governor=gate.governor,
        reader=Reader("", 1 << 20, KEY),
        writer=Writer("", sealer),
        outbox=cast("Outbox", outbox),
        metrics=metrics,
        health=Health(metrics, lambda: 0.0),
        now=lambda: at(now),
        tick=lambda: 0.0,
        late=lambda: None,
        bad_limit=0,
        moved=lambda: None,
    )
    return publisher.Publisher(parts)


@pytest.mark.parametrize("away", [0, 1, 3])
async def test_who_says_too_late_that_a_message_waits_takes_it_back_though_the_ledger_is_away(
    monkeypatch: pytest.MonkeyPatch, away: int
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    shared, outbox = MemoryLedger(), Written()
    ledger = FailingLedger(shared)
    frozen, other = Gate(ledger, quiet_hours=[NIGHTS]), Gate(shared, quiet_hours=[NIGHTS])
    await other.judge("00:00", said("grant"))
    waits = await frozen.judged("22:00", asked("a"), publish=False)
    assert await other.judge("22:30", said("withdraw", when="22:30")) != []
    ledger.fails = ["load"] * away
    owned = iter([True])
    late = publishing(frozen, outbox, "22:31")
    # It learns that its partitions are somebody else's as it waits for the broker.
    await late.publish(waits, Intake(), lambda: next(owned, False), 0.0)
    said_of_it = [one.value for one in outbox.records if one.topic == topics.WAITING]
    assert said_of_it[0] is not None
    assert said_of_it[-1] is None


async def test_no_consent_no_release_though_the_answer_to_what_took_it_back_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    shared, outbox = MemoryLedger(), Written()
    ledger = FailingLedger(shared)
    mine, other = Gate(ledger), Gate(shared)
    await other.judge("00:00", said("grant"))
    late = await mine.judged("10:00", asked(), publish=False)
    await other.judge("10:00:03", said("withdraw", when="10:00:03"))
    ledger.fails = ["answer"]
    committed = -2 * publisher.PUBLISH_WITHIN
    await publishing(mine, outbox, "10:00:06").publish(late, Intake(), lambda: True, committed)
    assert [one.topic for one in outbox.records] == [topics.DECISIONS]
    decision = json.loads(outbox.records[0].value or b"")
    assert (decision["outcome"], decision["code"]) == ("suppress", "consent_withdrawn")
    assert decision["id"] == late.resolutions[0].decision_id


async def test_who_says_too_late_that_a_message_waits_takes_it_back_though_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    shared, away = MemoryLedger(), iter([False, True, True])
    outbox = Choosy(lambda _: next(away, False))
    frozen, other = Gate(shared, quiet_hours=[NIGHTS]), Gate(shared, quiet_hours=[NIGHTS])
    await other.judge("00:00", said("grant"))
    waits = await frozen.judged("22:00", asked("a"), publish=False)
    assert await other.judge("22:30", said("withdraw", when="22:30")) != []
    owned = iter([True])
    late = publishing(frozen, outbox, "22:31")
    await late.publish(waits, Intake(), lambda: next(owned, False), 0.0)
    said_of_it = [one.value for one in outbox.records if one.topic == topics.WAITING]
    assert said_of_it[0] is not None
    assert said_of_it[-1] is None


async def test_the_gate_is_held_until_all_can_publish_not_until_one_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "RETRY", 0.0)
    gate = Gate()
    await gate.judge("00:00", said("grant"))
    one, other = [await gate.judged("10:00", asked(id), publish=False) for id in ("a", "b")]
    outbox = Choosy(lambda records: any(b'"a"' in (each.value or b"") for each in records))
    both = publishing(gate, outbox, "10:00")
    health = both.parts.health
    stuck = asyncio.ensure_future(both.publish(one, Intake(), lambda: True, 0.0))
    await asyncio.sleep(0.01)
    assert health.holds("broker")
    await both.publish(other, Intake(), lambda: True, 0.0)
    assert health.holds("broker")
    outbox.refuses = lambda _: False
    await stuck
    assert not health.holds("broker")


async def test_a_decision_names_the_policy_that_made_it_though_another_is_in_force_by_now() -> None:
    gate, outbox = Gate(caps=[]), Written()
    judged = await gate.judged("10:00", said("grant", when="09:00"), asked("a"), publish=False)
    made_by = gate.policy.revision
    gate.governor.policy = Gate(quiet_hours=[NIGHTS]).policy
    assert gate.governor.policy.revision != made_by
    await publishing(gate, outbox, "10:00").publish(judged, Intake(), lambda: True, 0.0)
    [decision] = [one.value for one in outbox.records if one.topic == topics.DECISIONS]
    assert json.loads(decision or b"")["policy"] == made_by

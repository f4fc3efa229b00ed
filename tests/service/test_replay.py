"""A replay decides what a simulation of the same records decides, in whatever batches it comes."""

from __future__ import annotations

import asyncio
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from governor.codec.decode import Rejected, decode_event
from governor.codec.encode import encode_decision
from governor.core.incoming import Incoming
from governor.core.instant import DAY, parse_instant
from governor.core.policy import Policy
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.service import Arrivals, Governor, Judgement
from governor.simulate import read_events, simulate
from tests.reference.test_against_product import made

IGNORED = ("seq",)
"""A replay may write a person's moments down in fewer turns, so that versions differ."""


def simulated(policy: Policy, events: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    lines: list[bytes] = []
    until = max(parse_instant(event["at"]) for event in events) + 30 * DAY
    simulate(policy, read_events(path), lines.append, until=until)
    return [json.loads(line) for line in lines]


class Replay:
    """What the worker does on the records' own clock, without a broker."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.governor = Governor(policy, MemoryLedger(), Pseudonyms(None), forgets=False)
        self.decisions: list[dict[str, Any]] = []

    async def play(self, events: list[dict[str, Any]], batch: int) -> None:
        moments = [
            (at, self._decoded(at, list(group)))
            for at, group in groupby(events, key=lambda event: parse_instant(event["at"]))
        ]
        for first in range(0, len(moments), batch):
            run: list[tuple[int, Arrivals]] = []
            for at, arriving in moments[first : first + batch]:
                if not arriving.controls:
                    run.append((at, arriving))
                    continue
                await self._replay(run)
                run = []
                await self._wake(at - 1)
                await self._publish(await self.governor.judge(arriving, at))
            await self._replay(run)
        await self._wake(moments[-1][0] + 30 * DAY)

    async def _replay(self, moments: list[tuple[int, Arrivals]]) -> None:
        async for judgement in self.governor.replay(moments):
            await self._publish(judgement)

    async def _wake(self, until: int) -> None:
        while (judgement := await self.governor.wake(until, catch_up=True)).resolutions:
            await self._publish(judgement)

    async def _publish(self, judgement: Judgement) -> None:
        for one in judgement.resolutions:
            if not (one.repeat or one.gathers):
                written = encode_decision(one, person=one.key)
                self.decisions.append(json.loads(written))
        await self.governor.published(judgement.resolutions)

    def _decoded(self, at: int, events: list[dict[str, Any]]) -> Arrivals:
        found: dict[str, list[Any]] = {"candidate": [], "control": [], "told": []}
        for event in events:
            kind = event["type"]
            try:
                value = decode_event(kind, event["data"], at, self.policy)
            except Rejected:
                continue
            if isinstance(value, Incoming):
                value = replace(value, urgent=event.get("urgent") is True)
            found[kind if kind in found else "told"].append(value)
        return Arrivals(found["told"], found["candidate"], found["control"])


def by_message(decisions: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for decision in decisions:
        kept = {name: value for name, value in decision.items() if name not in IGNORED}
        found.setdefault(f"{decision['person']} {decision['message']}", []).append(kept)
    return found


@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_simulated_is_real_a_replay_decides_what_the_simulation_decides(
    batch: int, tmp_path: Path
) -> None:
    compared = 0
    for seed in range(25):
        written, events = made(seed)
        policy = Policy.model_validate(written)
        expected = simulated(policy, events, tmp_path / "events.jsonl")
        replay = Replay(policy)
        asyncio.run(replay.play(events, batch))
        assert by_message(replay.decisions) == by_message(expected), f"seed {seed}"
        compared += len(expected)
    assert compared > 200

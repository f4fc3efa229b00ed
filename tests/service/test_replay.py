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
from governor.core.instant import DAY, HOUR, SECOND, format_instant, parse_instant
from governor.core.policy import Policy
from governor.core.record import LOOK_AGAIN
from governor.falling_due import first_due
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.service import Arrivals, Governor, Judgement
from governor.simulate import read_events, simulate
from tests.core.story import Event, at, policy, written
from tests.reference.test_against_product import made
from tests.service.arriving import arrivals, asked

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
            (moment, self._decoded(moment, list(group)))
            for moment, group in groupby(events, key=lambda event: parse_instant(event["at"]))
        ]
        for first in range(0, len(moments), batch):
            run: list[tuple[int, Arrivals]] = []
            for moment, arriving in moments[first : first + batch]:
                if not arriving.controls:
                    run.append((moment, arriving))
                    continue
                await self._replay(run)
                run = []
                await self._wake(moment - 1)
                await self._publish(await self.governor.judge(arriving, moment))
            await self._replay(run)
        await self._wake(moments[-1][0] + 30 * DAY)

    async def _replay(self, moments: list[tuple[int, Arrivals]]) -> None:
        async for judgement in self.governor.replay(moments):
            await self._publish(judgement)

    async def _wake(self, until: int) -> None:
        more = True
        while more:
            judgement = await self.governor.wake(until, catch_up=True)
            await self._publish(judgement)
            more = judgement.more

    async def _publish(self, judgement: Judgement) -> None:
        for one in judgement.resolutions:
            if not (one.repeat or one.gathers):
                written = encode_decision(one, person=one.key)
                self.decisions.append(json.loads(written))
        await self.governor.published(judgement.resolutions)

    def _decoded(self, moment: int, events: list[dict[str, Any]]) -> Arrivals:
        found: dict[str, list[Any]] = {"candidate": [], "control": [], "told": []}
        for event in events:
            kind = event["type"]
            try:
                value = decode_event(kind, event["data"], moment, self.policy)
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


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "in households"])
@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_simulated_is_real_a_replay_decides_what_the_simulation_decides(
    batch: int,
    shared: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    compared = 0
    for seed in range(25):
        sections, events = made(seed, shared=shared)
        rules = Policy.model_validate(sections)
        expected = simulated(rules, events, tmp_path / "events.jsonl")
        replay = Replay(rules)
        asyncio.run(replay.play(events, batch))
        assert by_message(replay.decisions) == by_message(expected), f"seed {seed}"
        compared += len(expected)
    assert compared > 200


def household(
    cap: dict[str, Any], *happening: tuple[str, Event]
) -> tuple[Policy, list[dict[str, Any]]]:
    """Write a policy with *cap* and what happens at its moments, each `time, event`."""
    home = {"id": "home", "per": ["household"], "limit": 1, "window": "24h", "at_cap": "suppress"}
    return policy(caps=[home | cap]), [
        {"at": written(when), "type": kind, "data": data} for when, (kind, data) in happening
    ]


def mail(when: str, id: str, person: str, **data: Any) -> tuple[str, Event]:
    named = {"household": "h-7", "category": "service", "created_at": written(when)}
    return when, asked(id, person, **named | data)


@pytest.mark.parametrize("batch", [1, 1000])
@pytest.mark.parametrize("other", ["10:10", "10:01"], ids=["before", "at the same moment"])
def test_what_is_due_goes_before_what_others_of_the_household_are_sent(
    batch: int, other: str, tmp_path: Path
) -> None:
    rules, events = household(
        {},
        mail("10:00", "m", "p-1", not_before=written("10:01")),
        mail(other, "n", "p-2"),
        mail("10:20", "o", "p-3", household=None),
    )
    expected = simulated(rules, events, tmp_path / "events.jsonl")
    replay = Replay(rules)
    asyncio.run(replay.play(events, batch))
    assert by_message(replay.decisions) == by_message(expected)
    finals = {one["message"]: one["outcome"] for one in replay.decisions if one["final"]}
    assert finals == {"m": "release", "n": "suppress", "o": "release"}


@pytest.mark.parametrize("apart", [0, 1, 60_000], ids=["at once", "in a row", "minutes apart"])
def test_a_crowd_that_falls_due_in_one_step_goes_in_order_of_time(
    apart: int, tmp_path: Path
) -> None:
    """Later in the alphabet is due earlier, and nobody's second before everybody's first."""
    start = at("10:00")
    crowd = [
        mail(
            "09:00",
            f"m-{number:04}-{turn}",
            f"p-{number:04}",
            household=f"h-{number % 7}",
            not_before=format_instant(start + apart * (600 - number) + turn * 22 * HOUR),
        )
        for number in range(600)
        for turn in range(2)
    ]
    rules, events = household(
        {"limit": 75, "window": "7d"}, *crowd, mail("08T09:00", "bell", "p-x", household=None)
    )
    expected = simulated(rules, events, tmp_path / "events.jsonl")
    replay = Replay(rules)
    asyncio.run(replay.play(events, 1000))
    assert by_message(replay.decisions) == by_message(expected)
    finals = [one for one in replay.decisions if one["outcome"] == "release"]
    assert len(finals) == 7 * 75 + 1


class Early(MemoryLedger):
    """A ledger with a hint that stays too early, as a crash between hint and commit leaves it."""

    async def next_due(self) -> int | None:
        return at("01:00")


@pytest.mark.parametrize("apart", [0, SECOND])
async def test_who_falls_due_first_is_found_behind_a_hint_that_is_too_early(apart: int) -> None:
    rules = policy()
    ledger, start = Early(), at("10:00")
    here = Governor(rules, ledger, Pseudonyms(None))
    waits = [
        mail("09:00", f"m-{n}", f"p-{n}", not_before=format_instant(start + apart * n))
        for n in range(1_000)
    ]
    await here.judge(arrivals(rules, at("09:00"), *(event for _, event in waits)), at("09:00"))
    await here.published((await here.wake(at("09:00") + LOOK_AGAIN, limit=1_000)).resolutions)
    moment, keys = await first_due(ledger, at("12:00"), 30)
    people = 1_000 if not apart else (moment - start) // SECOND + 1
    assert sorted(keys) == sorted(f"p-{n}" for n in range(people))
    assert not apart or 0 < people <= 30
    assert await first_due(ledger, at("09:30"), 30) == (at("09:30"), [])

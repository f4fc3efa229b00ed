"""Memory and Redis do the same steps and must never differ."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from governor.core.standing import ControlState, Scope
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Change
from governor.ledger.redis import RedisLedger
from tests.ledger.people import NOW, standing

KEYS = ["a", "b", "c", "d"]
moments = st.integers(0, 20).map(lambda late: NOW + late)
wakes = st.lists(moments, max_size=2)
_prefixes = (f"machine{number}:" for number in itertools.count())


class BothLedgers(RuleBasedStateMachine):
    """Commits that win and lose, claims and controls, on both at once."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.memory = MemoryLedger()
        self.redis = RedisLedger(self.url, next(_prefixes), lease=0, timeout=10.0)
        self.versions = dict.fromkeys(KEYS, 0)
        self.control = 0

    def teardown(self) -> None:
        self.runner.run(self.redis.close())
        self.runner.close()

    def same(self, name: str, *args: Any) -> Any:
        """Do one step on both and return what both answered."""
        first = self.runner.run(getattr(self.memory, name)(*args))
        assert self.runner.run(getattr(self.redis, name)(*args)) == first
        return first

    @rule(rows=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 2), wakes), max_size=5))
    def commit(self, rows: list[tuple[str, int, list[int]]]) -> None:
        changes = []
        for key, behind, waits in rows:
            expected = max(self.versions[key] - behind, 0)
            changes.append(Change(key, expected, standing(expected + 1, *waits)))
        for change, written in zip(changes, self.same("commit", changes), strict=True):
            if written:
                self.versions[change.key] = change.standing.version

    @rule(behind=st.integers(0, 1), campaign=st.sampled_from("xyz"))
    def commit_control(self, behind: int, campaign: str) -> None:
        expected = max(self.control - behind, 0)
        state = ControlState(expected + 1, pauses=frozenset({Scope(campaign)}))
        self.control += self.same("commit_control", expected, state)

    @rule(keys=st.lists(st.sampled_from([*KEYS, "nobody"]), max_size=4))
    def load(self, keys: list[str]) -> None:
        self.same("load", keys)

    @rule(until=moments)
    def claim(self, until: int) -> None:
        expected = set(self.runner.run(self.memory.claim(until, 10)))
        assert set(self.runner.run(self.redis.claim(until, 10))) == expected

    @precondition(lambda self: any(self.versions.values()))
    @invariant()
    def no_hint_is_too_late_or_missing(self) -> None:
        due = self.runner.run(self.memory.next_due())
        hinted = self.runner.run(self.redis.next_due())
        assert due is None or (hinted is not None and hinted <= due)

    @rule()
    def everything_that_waits_is_listed(self) -> None:
        async def listed(ledger: MemoryLedger | RedisLedger) -> set[str]:
            return {key async for page in ledger.waiting() for key in page}

        waits = self.runner.run(listed(self.memory))
        assert waits <= self.runner.run(listed(self.redis))


def test_memory_and_redis_never_differ(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BothLedgers, "url", redis_url)
    run_state_machine_as_test(BothLedgers, settings=settings(stateful_step_count=30))

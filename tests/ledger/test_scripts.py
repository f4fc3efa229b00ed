"""Each Lua script does what its twin in Python does, on bytes, whatever it is called with."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis import Redis

from governor.core.standing import Standing
from governor.ledger import packing
from governor.ledger.redis.wire import Script
from tests.ledger.people import NOW, standing, standings

KEYS = ["a", "b", "c"]
_prefixes = (f"script{number}:" for number in itertools.count())
_scripts = {name: Script(f"{name}.lua") for name in ("commit", "claim", "settle")}


class Twins:
    """What Redis holds under the ledger's keys, and the three scripts, in plain Python."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.due: dict[str, int] = {}
        self.announced: dict[str, int] = {}

    def commit(self, rows: list[tuple[str, bytes, bytes]]) -> list[int]:
        marks = []
        for key, expected, record in rows:
            known = self.records.get(key, b"")
            if known[1:9] != expected:
                marks.append(0)
                continue
            self.records[key] = record
            marks.append(2 if known and known[0] & 0x80 else 1)
        return marks

    def claim(self, until: int, limit: int, lease: int) -> list[str]:
        ranked = sorted((wake, key) for key, wake in self.due.items() if wake <= until)
        keys = [key for _, key in ranked][:limit]
        if lease > 0:
            self.due |= dict.fromkeys(keys, until + lease)
        return keys

    def settle(self, rows: list[tuple[str, int, int | None]]) -> None:
        for key, version, wake in rows:
            if self.announced.get(key, version) > version:
                continue
            if wake is None:
                self.due.pop(key, None)
                self.announced.pop(key, None)
            elif key in self.due:
                self.due[key] = wake


versions = st.integers(0, 3) | st.sampled_from([2**40, 2**63])
keys = st.sampled_from(KEYS)
moments = st.integers(NOW, NOW + 20)
records = st.builds(
    lambda version, wakes: packing.pack(standing(version, *wakes)),
    st.integers(1, 3) | st.sampled_from([2**40, 2**63]),
    st.lists(moments, max_size=2),
)


class ScriptsAndTwins(RuleBasedStateMachine):
    """Calls in any order, with keys that come twice and versions that are far off."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.prefix = next(_prefixes)
        self.redis: Any = Redis.from_url(self.url)
        self.twins = Twins()

    def teardown(self) -> None:
        self.redis.close()

    def named(self, name: str) -> str:
        return self.prefix + name

    def call(self, script: str, names: list[str], args: list[Any]) -> Any:
        call = _scripts[script].call([*map(self.named, names)], args)
        return self.redis.execute_command(*Script.in_full(call))

    @rule(rows=st.lists(st.tuples(keys, versions, records), max_size=5))
    def commit(self, rows: list[tuple[str, int, bytes]]) -> None:
        packed = [(key, packing.pack_version(version), record) for key, version, record in rows]
        args = [part for _, expected, record in packed for part in (expected, record)]
        found = self.call("commit", [key for key, *_ in packed], args)
        assert found == self.twins.commit(packed)

    @rule(key=keys, known=standings)
    def commit_a_whole_standing_over_what_is_there(self, key: str, known: Standing) -> None:
        expected = self.twins.records.get(key, b"")[1:9]
        row = (key, expected, packing.pack(known))
        assert self.call("commit", [key], [*row[1:]]) == self.twins.commit([row])
        assert packing.unpack(self.redis.get(self.named(key))) == known

    @rule(key=keys, version=versions.filter(lambda one: one < 2**53), wake=moments)
    def announce(self, key: str, version: int, wake: int) -> None:
        self.redis.zadd(self.named("by"), {key: version}, gt=True)
        self.redis.zadd(self.named("due"), {key: wake}, lt=True)
        twins = self.twins
        twins.announced[key] = max(version, twins.announced.get(key, version))
        twins.due[key] = min(wake, twins.due.get(key, wake))

    @rule(until=moments, limit=st.integers(0, 4), lease=st.sampled_from([0, 0, 1, 5]))
    def claim(self, until: int, limit: int, lease: int) -> None:
        found = self.call("claim", ["due"], [until, limit, lease])
        assert [key.decode() for key in found] == self.twins.claim(until, limit, lease)

    @rule(rows=st.lists(st.tuples(keys, st.integers(0, 4), st.none() | moments), max_size=4))
    def settle_any(self, rows: list[tuple[str, int, int | None]]) -> None:
        self.settle(rows)

    def settle(self, rows: list[tuple[str, int, int | None]]) -> None:
        args = [part for key, version, wake in rows for part in (key, version, wake or "")]
        self.call("settle", ["due", "by"], args)
        self.twins.settle(rows)

    @rule(key=keys, off=st.integers(-1, 1), wake=st.none() | moments)
    def settle_about_what_was_announced(self, key: str, off: int, wake: int | None) -> None:
        self.settle([(key, max(self.twins.announced.get(key, 1) + off, 0), wake)])

    @invariant()
    def both_hold_the_same(self) -> None:
        held = {key: self.redis.get(self.named(key)) for key in KEYS}
        assert {key: record for key, record in held.items() if record} == self.twins.records
        for name, kept in (("due", self.twins.due), ("by", self.twins.announced)):
            found = self.redis.zrange(self.named(name), 0, -1, withscores=True)
            assert {key.decode(): int(score) for key, score in found} == kept


def machine(url: str, monkeypatch: pytest.MonkeyPatch, examples: int) -> None:
    monkeypatch.setattr(ScriptsAndTwins, "url", url)
    chosen = settings(stateful_step_count=30, max_examples=examples)
    run_state_machine_as_test(ScriptsAndTwins, settings=chosen)


def test_lua_does_what_its_twin_does(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(redis_url, monkeypatch, settings().max_examples)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_lua_does_what_its_twin_does_for_long(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(redis_url, monkeypatch, 500)

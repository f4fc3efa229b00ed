"""What every ledger promises, memory first: it is the reference for the others."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from governor.core.household import Hold, Household, Slot
from governor.core.standing import STRANGER, ControlState, Scope, Standing
from governor.ledger.protocol import Change, HouseholdChange, Ledger, earliest_wake
from tests.ledger.people import NOW, entry, settled_person, standing

FAR = NOW + 10**9


async def write(ledger: Ledger, key: str, *versions: Standing) -> None:
    changes = [Change(key, version.version - 1, version) for version in versions]
    assert await ledger.commit(changes) == [True] * len(changes)


async def test_who_is_not_known_is_a_stranger(ledger: Ledger) -> None:
    assert await ledger.load(["a", "b"]) == (ControlState(), [STRANGER, STRANGER])
    assert await ledger.load([]) == (ControlState(), [])
    assert await ledger.commit([]) == []


async def test_what_is_committed_is_loaded_in_the_order_of_the_keys(ledger: Ledger) -> None:
    known = settled_person()
    before = msgspec.structs.replace(known, version=1)
    await write(ledger, "a", before)
    await write(ledger, "b", standing(1))
    _, loaded = await ledger.load(["b", "c", "a", "b"])
    assert loaded == [standing(1), STRANGER, before, standing(1)]


async def test_a_change_over_another_version_is_not_written_and_hurts_no_other(
    ledger: Ledger,
) -> None:
    await write(ledger, "a", standing(1), standing(2))
    changes = [
        Change("b", 0, standing(1, NOW)),
        Change("a", 1, standing(2, NOW)),
        Change("c", 0, standing(1)),
        Change("d", 1, standing(2)),
        Change("a", 0, standing(1)),
    ]
    assert await ledger.commit(changes) == [True, False, True, False, False]
    _, loaded = await ledger.load(["a", "b", "c", "d"])
    assert loaded == [standing(2), standing(1, NOW), standing(1), STRANGER]


async def test_two_changes_of_one_person_in_one_commit_build_on_each_other(ledger: Ledger) -> None:
    changes = [
        Change("a", 0, standing(1, NOW)),
        Change("a", 1, standing(2)),
        Change("a", 1, standing(2)),
    ]
    assert await ledger.commit(changes) == [True, True, False]
    assert await ledger.next_due() is None


async def test_of_a_hundred_concurrent_commits_exactly_one_wins_each_version(
    ledger: Ledger,
) -> None:
    """INVARIANT (never-above-a-cap) rests on this."""
    for version in range(1, 6):
        rivals = [Change("a", version - 1, Standing(version, log=(entry(n),))) for n in range(100)]
        answers = await asyncio.gather(*(ledger.commit([rival]) for rival in rivals))
        winners = [rival for rival, [won] in zip(rivals, answers, strict=True) if won]
        _, [known] = await ledger.load(["a"])
        assert [winner.standing for winner in winners] == [known]


async def test_a_hundred_writers_who_try_again_lose_nothing(ledger: Ledger) -> None:
    async def add(number: int) -> None:
        while True:
            _, [known] = await ledger.load(["a"])
            await asyncio.sleep(0)
            version = known.version + 1
            log = (*known.log, entry(number, seq=version))
            changed = Standing(version, log=log)
            if await ledger.commit([Change("a", known.version, changed)]) == [True]:
                return

    await asyncio.gather(*map(add, range(100)))
    _, [known] = await ledger.load(["a"])
    assert known.version == 100
    assert {one.message for one in known.log} == {entry(number).message for number in range(100)}
    assert [one.seq for one in known.log] == list(range(1, 101))


async def test_control_is_written_over_its_version_alone(ledger: Ledger) -> None:
    first = ControlState(1, pauses=frozenset({Scope(), Scope(campaign="spring")}))
    rival = ControlState(1, stops=frozenset({Scope(channel="sms")}))
    assert await ledger.commit_control(0, first)
    assert not await ledger.commit_control(0, rival)
    assert (await ledger.load(["a"]))[0] == first
    assert await ledger.commit_control(1, ControlState(2))
    assert (await ledger.load([]))[0] == ControlState(2)


async def test_what_is_due_is_claimed_soonest_first_up_to_the_limit(ledger: Ledger) -> None:
    for key, wake in [("c", 300), ("a", 100), ("d", 400), ("b", 200)]:
        await write(ledger, key, standing(1, FAR, NOW + wake))
    assert await ledger.next_due() == NOW + 100
    assert await ledger.claim(NOW + 99, 10) == []
    assert await ledger.claim(NOW + 100, 10) == ["a"]
    assert await ledger.claim(NOW + 300, 10) == ["a", "b", "c"]
    assert await ledger.claim(NOW + 300, 2) == ["a", "b"]
    assert await ledger.claim(FAR, 10) == ["a", "b", "c", "d"]


async def test_a_claimed_key_comes_back_until_a_commit_moves_it(ledger: Ledger) -> None:
    await write(ledger, "a", standing(1, NOW))
    assert await ledger.claim(NOW, 10) == ["a"]
    assert await ledger.claim(NOW, 10) == ["a"]
    await write(ledger, "a", standing(2, NOW + 50))
    assert await ledger.claim(NOW, 10) == []
    assert await ledger.next_due() == NOW + 50
    await write(ledger, "a", standing(3, NOW + 10))
    assert await ledger.next_due() == NOW + 10
    await write(ledger, "a", standing(4, NOW + 50))
    assert await ledger.claim(FAR, 10) == ["a"]
    await write(ledger, "a", standing(5))
    assert await ledger.claim(FAR, 10) == []
    assert await ledger.next_due() is None


async def test_a_commit_that_lost_moves_no_hint_for_good(ledger: Ledger) -> None:
    await write(ledger, "a", standing(1), standing(2, NOW + 100))
    lost = [Change("a", 1, standing(2, NOW)), Change("a", 1, standing(2, FAR))]
    assert await ledger.commit([*lost, Change("a", 0, standing(1))]) == [False, False, False]
    assert await ledger.claim(NOW, 10) == []
    assert await ledger.next_due() == NOW + 100
    assert await ledger.claim(NOW + 100, 10) == ["a"]


async def test_all_that_waits_is_listed(ledger: Ledger) -> None:
    keys = {f"k{number}" for number in range(1200)}
    await ledger.commit([Change(key, 0, standing(1, NOW)) for key in keys])
    await ledger.commit([Change(f"n{number}", 0, standing(1)) for number in range(10)])
    assert {key async for page in ledger.waiting() for key in page} == keys
    await ledger.commit([Change(key, 1, standing(2)) for key in keys])
    assert [page async for page in ledger.waiting()] == []


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_lost_no_hint_is_missing_whatever_the_writers_do(
    ledger: Ledger, seed: int
) -> None:
    """INVARIANT (nothing-lost): what a standing says is due can be claimed at its time."""
    chance = random.Random(seed)
    keys = ["a", "b", "c"]

    async def judge() -> None:
        for _ in range(40):
            chosen = chance.sample(keys, chance.randint(1, 3))
            _, found = await ledger.load(chosen)
            changes = []
            for key, known in zip(chosen, found, strict=True):
                wakes = [NOW + chance.randrange(100) for _ in range(chance.choice([0, 0, 1, 2]))]
                changes.append(Change(key, known.version, standing(known.version + 1, *wakes)))
            await asyncio.sleep(0)
            await ledger.commit(changes)

    async def wake() -> None:
        for _ in range(40):
            await ledger.claim(NOW + chance.randrange(100), 2)

    await asyncio.gather(*(judge() for _ in range(8)), *(wake() for _ in range(4)))
    _, found = await ledger.load(keys)
    wakes = {key: earliest_wake(known) for key, known in zip(keys, found, strict=True)}
    for moment in range(100):
        due = {key for key, at in wakes.items() if at is not None and at <= NOW + moment}
        assert set(await ledger.claim(NOW + moment, 10)) == due
    # Claiming has put right what lost commits left behind.
    left = [at for at in wakes.values() if at is not None]
    assert await ledger.next_due() == min(left, default=None)


# Households.


async def test_an_unknown_household_is_empty_and_a_written_one_comes_back(ledger: Ledger) -> None:
    assert await ledger.households(["h", "i"]) == [Household(), Household()]
    assert await ledger.households([]) == []
    assert await ledger.commit_households([]) == []
    full = Household(3, (slot(1), slot(2, topic=None), slot(3, refunded=True), slot(4, held=True)))
    assert await ledger.commit_households([HouseholdChange("h", 0, full)]) == [True]
    assert await ledger.households(["i", "h"]) == [Household(), full]


async def test_a_household_is_written_over_its_version_alone_and_hurts_no_other(
    ledger: Ledger,
) -> None:
    first = [HouseholdChange("a", 0, Household(1)), HouseholdChange("b", 0, Household(7))]
    assert await ledger.commit_households(first) == [True, True]
    rivals = [
        HouseholdChange("a", 0, Household(1, (slot(1),))),
        HouseholdChange("b", 7, Household(8, (slot(2),))),
        HouseholdChange("a", 1, Household(4, (slot(3),))),
    ]
    assert await ledger.commit_households(rivals) == [False, True, True]
    assert await ledger.households(["a", "b"]) == [
        Household(4, (slot(3),)),
        Household(8, (slot(2),)),
    ]


async def test_a_household_and_a_person_of_one_name_are_two(ledger: Ledger) -> None:
    await write(ledger, "a", standing(1))
    await ledger.commit_households([HouseholdChange("a", 0, Household(5, (slot(1),)))])
    assert (await ledger.load(["a"]))[1] == [standing(1)]
    assert await ledger.households(["a"]) == [Household(5, (slot(1),))]


async def test_of_a_hundred_reservations_at_once_none_is_lost(ledger: Ledger) -> None:
    """INVARIANT (never-above-a-cap) of households rests on this."""

    async def reserve(number: int) -> None:
        while True:
            [known] = await ledger.households(["h"])
            await asyncio.sleep(0)
            after = Household(known.version + 1, (*known.slots, slot(number)))
            if await ledger.commit_households([HouseholdChange("h", known.version, after)]) == [
                True
            ]:
                return

    await asyncio.gather(*map(reserve, range(100)))
    [known] = await ledger.households(["h"])
    assert known.version == 100
    assert {one.id for one in known.slots} == set(range(100))


def slot(number: int, *, topic: int | None = 5, refunded: bool = False, held: bool = False) -> Slot:
    hold = Hold("p_x", 2**64 - number, NOW + 600_000) if held else None
    fields = (number, NOW + number, "promotional", 2**63 + 1, "mail", topic, 9)
    return Slot(*fields, refunded=refunded, hold=hold)

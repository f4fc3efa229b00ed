"""Several workers on one ledger: whoever comes first, the promises hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governor.core.instant import HOUR, MINUTE
from governor.core.resolution import Resolution
from governor.core.standing import ControlState, Standing
from governor.core.verdict import Outcome
from governor.ledger.keys import Pseudonyms
from governor.ledger.protocol import LedgerUnavailable
from governor.service import Governor
from tests.core.story import Event, at, bare, policy
from tests.service.arriving import NIGHTS, arrivals, asked, said, steered
from tests.service.ledgers import FailingLedger, SharedLedger

CAPS = [
    {"id": "day", "limit": 2, "window": "24h", "at_cap": "suppress"},
    {"id": "push", "match": {"channel": "push"}, "limit": 1, "window": "1h", "at_cap": "defer"},
]
PEOPLE = ["p-1", "p-2"]
START = at("10:00")
BATCHES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(PEOPLE),
            st.sampled_from([f"m{number}" for number in range(8)]),
            st.sampled_from(["email", "push"]),
        ),
        min_size=1,
        max_size=4,
    ),
    min_size=2,
    max_size=6,
)
TURNS = st.lists(st.integers(0, 3), max_size=60)


def worker(ledger: Any, **sections: Any) -> Governor:
    return Governor(policy(caps=CAPS, **sections), ledger, Pseudonyms(None))


async def granted(governor: Governor) -> None:
    events = [said("grant", person) for person in PEOPLE]
    await governor.judge(arrivals(governor.policy, START, *events), START)


def asked_for(batch: list[tuple[str, str, str]]) -> list[Event]:
    channels: dict[tuple[str, str], str] = {}
    return [
        asked(
            name,
            person,
            channel=channels.setdefault(
                (person, name), "push" if name in ("m1", "m2") else "email"
            ),
        )
        for person, name, _ in batch
    ]


def never_above(released: list[Resolution]) -> None:
    for person in PEOPLE:
        mine = [one for one in released if one.incoming.candidate.person == person]
        day = [one.decided_at for one in mine]
        push = [one.decided_at for one in mine if one.entry and one.entry.channel == "push"]
        assert all(sum(at > end - 24 * HOUR for at in day if at <= end) <= 2 for end in day)
        assert all(sum(at > end - HOUR for at in push if at <= end) <= 1 for end in push)


def releases(resolutions: list[Resolution]) -> list[Resolution]:
    return [one for one in resolutions if one.verdict.outcome is Outcome.RELEASE and not one.repeat]


@given(BATCHES, TURNS)
def test_never_above_a_cap_under_any_interleaving_of_workers(
    batches: list[list[tuple[str, str, str]]], turns: list[int]
) -> None:
    async def play() -> list[Resolution]:
        ledger = SharedLedger(turns)
        workers = [worker(ledger), worker(ledger)]
        await granted(workers[0])

        async def judge(number: int, batch: list[tuple[str, str, str]]) -> list[Resolution]:
            governor, now = workers[number % 2], START + number * MINUTE
            found = await governor.judge(arrivals(governor.policy, now, *asked_for(batch)), now)
            await governor.published(found.resolutions)
            return found.resolutions

        found = await asyncio.gather(*(judge(n, batch) for n, batch in enumerate(batches)))
        late = await workers[0].wake(START + 3 * HOUR)
        return [one for part in (*found, late.resolutions) for one in part]

    resolutions = asyncio.run(play())
    never_above(releases(resolutions))
    decisions: dict[str, Resolution] = {}
    for one in resolutions:
        known = decisions.setdefault(one.decision_id, one)
        assert bare(known) == bare(one)
    finals = Counter(
        (one.incoming.candidate.person, one.incoming.candidate.id)
        for one in resolutions
        if one.verdict.final and not one.repeat
    )
    assert not finals or max(finals.values()) == 1


def test_never_above_a_cap_when_two_workers_judge_at_once() -> None:
    async def play() -> tuple[list[str], int]:
        ledger = SharedLedger([1] * 100)
        workers = [worker(ledger), worker(ledger)]
        await granted(workers[0])
        batches = [[("p-1", f"m{number + 3}", "")] for number in range(4)]
        judgements = await asyncio.gather(
            *(
                workers[n % 2].judge(arrivals(workers[0].policy, START, *asked_for(batch)), START)
                for n, batch in enumerate(batches)
            )
        )
        found = [one for part in judgements for one in part.resolutions]
        return [one.verdict.outcome.name for one in found], sum(j.conflicts for j in judgements)

    outcomes, conflicts = asyncio.run(play())
    assert Counter(outcomes) == {"RELEASE": 2, "SUPPRESS": 2}
    assert conflicts > 0


@given(st.lists(st.sampled_from(["load", "commit", "answer", "go"]), max_size=12), TURNS)
def test_one_verdict_survives_crashes_and_redelivery(fails: list[str], turns: list[int]) -> None:
    async def play() -> list[Resolution]:
        shared = SharedLedger(turns)
        await granted(worker(shared))
        broken = FailingLedger(shared, fails)
        governors = [worker(broken), worker(shared)]
        batch = asked_for([("p-1", f"m{number}", "") for number in range(5)])

        async def judge(governor: Governor) -> list[Resolution]:
            for turn in range(len(fails) + 1):
                now = START + turn * MINUTE
                try:
                    found = await governor.judge(arrivals(governor.policy, START, *batch), now)
                except LedgerUnavailable:
                    broken.fails = broken.fails[1:] if broken.fails[:1] == ["go"] else broken.fails
                    continue
                return found.resolutions
            return []

        found = await asyncio.gather(*(judge(governor) for governor in governors))
        return [one for part in found for one in part]

    resolutions = asyncio.run(play())
    never_above(releases(resolutions))
    decisions: dict[str, Resolution] = {}
    for one in resolutions:
        assert bare(decisions.setdefault(one.decision_id, one)) == bare(one)


@given(TURNS, st.sampled_from(["withdraw", "object", "stop"]))
def test_no_consent_no_release_once_the_withdrawal_is_written(
    turns: list[int], action: str
) -> None:
    """Nothing is committed as released after the withdrawal was, whoever judges meanwhile."""

    async def play() -> tuple[list[Resolution], int]:
        ledger = SharedLedger(turns)
        workers = [worker(ledger, quiet_hours=[NIGHTS]), worker(ledger, quiet_hours=[NIGHTS])]
        await granted(workers[0])
        written = 10**9

        async def withdraw() -> None:
            nonlocal written
            event = steered("stop") if action == "stop" else said(action)
            await workers[0].judge(arrivals(workers[0].policy, START, event), START)
            _, (standing,) = await ledger.load(["p-1"])
            written = standing.version

        async def judge(name: str) -> list[Resolution]:
            batch = arrivals(workers[1].policy, START, asked(name))
            return (await workers[1].judge(batch, START)).resolutions

        found = await asyncio.gather(judge("a"), withdraw(), judge("b"), judge("c"))
        late = await judge("d")
        assert [one.verdict.outcome for one in late] == [Outcome.SUPPRESS]
        return [one for part in found if part for one in part], written

    resolutions, written = asyncio.run(play())
    if action != "stop":
        assert all(one.seq <= written for one in releases(resolutions))


@given(TURNS)
@example([0, 0, 0, 0, 1])
def test_fail_closed_a_late_release_is_judged_again_by_the_control_of_its_last_load(
    turns: list[int],
) -> None:
    async def play() -> tuple[Outcome, bool]:
        ledger = SharedLedger(turns)
        workers = [worker(ledger), worker(ledger)]
        await granted(workers[0])
        late = await workers[0].judge(arrivals(workers[0].policy, START, asked("a")), START)
        stop, loads = arrivals(workers[1].policy, START, steered("stop")), ledger.load
        seen = False

        async def load(keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
            nonlocal seen
            found = await loads(keys)
            if keys:
                seen = bool(found[0].stops)
            return found

        ledger.load = load  # type: ignore[method-assign]
        again, _ = await asyncio.gather(
            workers[0].reconsider(late.resolutions, START), workers[1].judge(stop, START)
        )
        return again[0].verdict.outcome, seen

    outcome, seen = asyncio.run(play())
    assert outcome is (Outcome.SUPPRESS if seen else Outcome.RELEASE)


@given(TURNS, st.sampled_from(["resume", "stop"]))
@example([0, 0, 0, 0, 1], "resume")
@example([0, 0, 1], "stop")
def test_what_comes_to_wait_as_a_control_is_written_hears_of_it(
    turns: list[int], action: str
) -> None:
    """Whoever looks at all that waits may look a moment before it does."""

    async def play() -> list[Resolution]:
        ledger = SharedLedger(turns)
        workers = [worker(ledger, quiet_hours=[NIGHTS]), worker(ledger, quiet_hours=[NIGHTS])]
        await granted(workers[0])
        now = START if action == "resume" else at("03:00")
        paused = [steered("pause")] if action == "resume" else []
        await workers[0].judge(arrivals(workers[0].policy, now, *paused), now)

        async def judge(number: int, event: Event) -> list[Resolution]:
            governor = workers[number]
            return (await governor.judge(arrivals(governor.policy, now, event), now)).resolutions

        found = await asyncio.gather(judge(0, asked("a")), judge(1, steered(action)))
        return [one for part in found for one in part]

    last = max(asyncio.run(play()), key=lambda one: one.attempt)
    assert last.verdict.outcome is (Outcome.RELEASE if action == "resume" else Outcome.SUPPRESS)

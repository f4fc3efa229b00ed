"""The window of arbitration across workers, and a morning after a night in which much waited."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from governor.core.instant import HOUR, MINUTE, SECOND
from governor.core.resolution import Resolution
from governor.core.verdict import Outcome
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.service import Governor
from tests.core.story import Event, at, bare, policy
from tests.service.arriving import NIGHTS, arrivals, asked, said
from tests.service.ledgers import SharedLedger

CAPS = [
    {"id": "day", "limit": 2, "window": "24h", "reserve": {"priority_at_least": 80, "slots": 1}}
]
START = at("10:00")
PEOPLE = ["p-1", "p-2"]
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from([10, 50, 90]), st.integers(0, 9)),
    min_size=2,
    max_size=8,
)
TURNS = st.lists(st.integers(0, 3), max_size=60)


def worker(ledger: Any, losers: str) -> Governor:
    rules = policy(caps=CAPS, arbitration={"window": "10m", "losers": losers})
    return Governor(rules, ledger, Pseudonyms(None))


def of(number: int, person: str, priority: int) -> Event:
    return asked(f"m{number}", person, priority=priority)


async def play(
    workers: list[Governor], came: list[tuple[str, int, int]], order: list[int]
) -> list[Resolution]:
    """Let candidates come in *order*, each to the next worker, and all workers see to the end."""
    first = workers[0]
    grants = [said("grant", person) for person in PEOPLE]
    await first.judge(arrivals(first.policy, START, *grants), START)
    # Each person's first candidate comes at the first minute, so that the windows are the same.
    minutes: dict[str, list[int]] = defaultdict(list)
    for person, _, minute in came:
        minutes[person].append(minute if minutes[person] else 0)
    places = {person: iter(sorted(some)) for person, some in minutes.items()}
    moments: dict[int, list[Event]] = defaultdict(list)
    for number in order:
        person, priority, _ = came[number]
        moments[START + next(places[person]) * MINUTE].append(of(number, person, priority))
    found: list[Resolution] = []

    async def judge(governor: Governor, now: int, event: Event) -> None:
        judgement = await governor.judge(arrivals(governor.policy, now, event), now)
        await governor.published(judgement.resolutions)
        found.extend(judgement.resolutions)

    async def wake(governor: Governor, now: int) -> None:
        judgement = await governor.wake(now)
        found.extend(judgement.resolutions)
        await governor.published(judgement.resolutions)

    for now in sorted(moments):
        jobs = [judge(workers[n % len(workers)], now, one) for n, one in enumerate(moments[now])]
        await asyncio.gather(*jobs, *(wake(each, now) for each in workers))
    for now in (START + 10 * MINUTE - 1, START + 10 * MINUTE, START + 48 * HOUR):
        await asyncio.gather(*(wake(each, now) for each in workers))
        await wake(first, now + 5 * SECOND)
    return found


def verdicts(resolutions: list[Resolution]) -> set[tuple[Any, ...]]:
    return {
        (one.incoming.candidate.id, one.attempt, one.verdict.outcome, one.verdict.code)
        for one in resolutions
        if not one.gathers and not one.repeat
    }


@given(ARRIVALS, TURNS, st.integers(1, 3), st.sampled_from(["wait", "suppress"]), st.data())
def test_the_verdicts_of_a_window_depend_on_neither_arrival_nor_workers(
    came: list[tuple[str, int, int]],
    turns: list[int],
    count: int,
    losers: str,
    data: st.DataObject,
) -> None:
    alone = asyncio.run(play([worker(MemoryLedger(), losers)], came, list(range(len(came)))))
    shared = SharedLedger(turns)
    several = [worker(shared, losers) for _ in range(count)]
    order = data.draw(st.permutations(range(len(came))))
    found = asyncio.run(play(several, came, order))
    assert verdicts(found) == verdicts(alone)
    decisions: dict[str, Resolution] = {}
    for one in found:
        if not one.gathers:
            assert bare(decisions.setdefault(one.decision_id, one)) == bare(one)
    released = Counter(
        (one.incoming.candidate.person, one.decided_at)
        for one in decisions.values()
        if one.verdict.outcome is Outcome.RELEASE
    )
    assert all(count <= 2 for count in released.values())


ENDS = {5: "2026-05-06T05:59:00Z", 2: "2026-05-06T06:40:00Z"}


async def test_what_waited_for_the_morning_goes_out_ranked_capped_spread_and_not_stale() -> None:
    """Two hundred people with six messages each, kept over night: no burst, and nobody too much."""
    people = [f"p-{number}" for number in range(200)]
    rules = policy(
        caps=[{"id": "day", "limit": 2, "window": "24h"}, {"id": "gap", "min_gap": "1h"}],
        quiet_hours=[{**NIGHTS, "jitter": "30m"}],
        arbitration={"window": "10m"},
    )
    ledger = MemoryLedger()
    governor = Governor(rules, ledger, Pseudonyms(None))
    grants = [said("grant", person) for person in people]
    await governor.judge(arrivals(rules, START, *grants), START)
    for number in range(6):
        now = at("22:00") + number * MINUTE
        ends = {"expires_at": ENDS[number]} if number in ENDS else {}
        night = [asked(f"{p}-{number}", p, priority=number * 10, **ends) for p in people]
        await governor.judge(arrivals(rules, now, *night), now)
    moments: dict[int, list[Resolution]] = defaultdict(list)
    while (due := await ledger.next_due()) is not None and due < at("06T20:00"):
        judgement = await governor.wake(due, limit=1_000)
        await governor.published(judgement.resolutions)
        moments[due] += judgement.resolutions
    done = [one for found in moments.values() for one in found]
    sends = [one for one in done if one.verdict.outcome is Outcome.RELEASE]
    opens = at("06T06:00")
    # The highest that is not stale goes first, the next best an hour later, the others must wait.
    first = [one for one in sends if one.decided_at < opens + 30 * MINUTE]
    assert {one.incoming.candidate.id for one in first} == {f"{p}-4" for p in people}
    assert {one.incoming.candidate.id for one in sends} == {
        f"{p}-{number}" for p in people for number in (4, 3)
    }
    # What would be stale by then is told so: at night already, or as soon as it has lost its turn.
    stale = {
        (one.incoming.candidate.id.rpartition("-")[2], one.verdict.code)
        for one in done
        if one.verdict.outcome is Outcome.SUPPRESS
    }
    assert stale == {("5", "quiet_hours"), ("2", "min_gap")}
    # Spread: no second of the half hour takes more than a few, and every minute takes some.
    seconds = Counter(one.decided_at // SECOND for one in first)
    minutes = Counter((one.decided_at - opens) // MINUTE for one in first)
    assert max(seconds.values()) <= 4
    assert sorted(minutes) == list(range(30))
    per_person = Counter(one.incoming.candidate.person for one in sends)
    assert set(per_person.values()) == {2}

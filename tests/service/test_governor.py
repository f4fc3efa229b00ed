"""The gate: load, decide, commit, publish, let go; and a crash between any two of these."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from governor.core.instant import SECOND
from governor.core.record import LOOK_AGAIN
from governor.core.resolution import Resolution
from governor.ledger.keys import Pseudonyms, Sealer
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import LedgerUnavailable
from governor.service import Arrivals, Governor, Judgement
from tests.core.story import Event, at, bare, policy
from tests.service.arriving import CAP, NIGHTS, arrivals, asked, said, steered, words
from tests.service.ledgers import FailingLedger

KEY = bytes(range(32))


class Gate:
    """A governor on a ledger, and what a worker does around it."""

    def __init__(self, ledger: Any = None, *, key: bytes | None = None, **sections: Any) -> None:
        self.policy = policy(**sections)
        self.ledger = MemoryLedger() if ledger is None else ledger
        self.names = Pseudonyms(key)
        sealer = Sealer({"k": KEY}, "k")
        self.governor = Governor(self.policy, self.ledger, self.names, sealer)

    async def judge(self, when: str, *events: Event, publish: bool = True) -> list[str]:
        judgement = await self.judged(when, *events, publish=publish)
        return words(judgement.resolutions)

    async def judged(self, when: str, *events: Event, publish: bool = True) -> Judgement:
        now = at(when)
        judgement = await self.governor.judge(arrivals(self.policy, now, *events), now)
        if publish:
            await self.governor.published(judgement.resolutions)
        return judgement

    async def wake(self, when: str, *, publish: bool = True) -> list[Resolution]:
        judgement = await self.governor.wake(at(when))
        if publish:
            await self.governor.published(judgement.resolutions)
        return judgement.resolutions

    async def due(self) -> int | None:
        return await self.ledger.next_due()


async def gate(ledger: Any = None, **sections: Any) -> Gate:
    made = Gate(ledger, **sections)
    people = ("p-1", "p-2")
    await made.judge("00:00", *(said("grant", person) for person in people))
    return made


# What is told comes first, what waits next, what is fresh last.


async def test_at_one_moment_everything_but_candidates_comes_first() -> None:
    here = await gate()
    assert await here.judge(
        "10:00", asked("a"), steered("stop"), said("withdraw", when="09:00")
    ) == ["a suppress kill_switch"]
    judgement = await here.judged("11:00", asked("b"), steered("start"))
    assert words(judgement.resolutions) == ["b suppress consent_withdrawn"]


async def test_a_persons_second_candidate_sees_the_first_and_others_have_their_own_slots() -> None:
    here = await gate(caps=[CAP])
    events = [asked("a"), asked("b", "p-2"), asked("c"), asked("d", "p-2")]
    assert sorted(await here.judge("10:00", *events)) == [
        "a release",
        "b release",
        "c suppress cap_reached",
        "d suppress cap_reached",
    ]


async def test_an_id_is_unique_for_its_person() -> None:
    here = await gate()
    assert await here.judge("10:00", asked("a"), asked("a", "p-2", payload=1)) == [
        "a release",
        "a release",
    ]


async def test_names_are_pseudonyms_and_bodies_are_sealed() -> None:
    here = await gate(key=KEY, quiet_hours=[NIGHTS])
    judgement = await here.judged("03:00", asked("secret-message", payload="secret-body"))
    (one,) = judgement.resolutions
    assert one.key == here.names.of("p-1") != "p-1"
    kept = repr(dict(here.ledger._standings))
    assert one.key in kept
    assert "secret-body" not in kept
    assert "p-1" not in kept
    assert words(await here.wake("06:00")) == ["secret-message release"]


async def test_a_review_may_name_the_pseudonym() -> None:
    here = await gate(key=KEY, review={"rules": [{"id": "r"}]})
    await here.judge("10:00", asked("a"))
    answer = {"id": "r", "message": "a", "person": here.names.of("p-1"), "reviewer": "ann"}
    answer |= {"at": "2026-05-05T11:00:00Z", "answer": "approve"}
    assert await here.judge("11:00", ("review", answer)) == ["a release"]


# Repeats and refusals.


async def test_one_verdict_redelivery_after_the_commit_gives_the_same_decision() -> None:
    here = await gate(caps=[CAP], quiet_hours=[NIGHTS])
    events = [asked("a"), asked("b"), asked("c", not_before="2026-05-05T12:00:00Z")]
    first = await here.judged("10:00", *events, publish=False)
    again = await here.judged("10:00:07", *events)
    assert [bare(one) for one in again.resolutions] == [bare(one) for one in first.resolutions]
    assert [one.decision_id for one in again.resolutions] == [
        one.decision_id for one in first.resolutions
    ]
    assert all(one.repeat and one.reconstructed for one in again.resolutions)
    assert all(one.verdict.findings for one in again.resolutions)
    _, (standing,) = await here.ledger.load(["p-1"])
    assert len(standing.log) == 1


async def test_a_repeated_release_names_the_same_end_of_its_hours() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    (first,) = (await here.judged("10:00", asked("a"))).resolutions
    (again,) = (await here.judged("20:30", asked("a"))).resolutions
    assert first.verdict.send_before == again.verdict.send_before == at("19:00")


async def test_what_waits_is_repeated_with_the_trace_of_its_first_record() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    now = at("03:00")
    [first] = arrivals(here.policy, now, asked("a")).fresh
    for trace in (b"first", b"second"):
        came = msgspec.structs.replace(first, trace=(("traceparent", trace),))
        judgement = await here.governor.judge(Arrivals(fresh=[came]), now)
        [told] = judgement.resolutions
        assert told.incoming.trace == (("traceparent", b"first"),)
        assert told.repeat is (trace == b"second")
        await here.governor.published(judgement.resolutions)


async def test_another_content_under_a_known_id_is_refused_in_the_same_batch_too() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    judgement = await here.judged("03:00", asked("a"), asked("a", payload=1))
    assert words(judgement.resolutions) == ["a defer quiet_hours"]
    assert [reason for _, reason in judgement.rejected] == ["conflicting_id"]
    assert words(await here.wake("06:00")) == ["a release"]


async def test_a_candidate_from_the_future_is_refused_and_what_restricts_is_not() -> None:
    here = await gate()
    ahead = asked("a", created_at="2026-05-05T10:05:00.001Z")
    judgement = await here.judged("10:00", ahead, said("withdraw", when="11:00"))
    assert [reason for _, reason in judgement.rejected] == ["future_time"]
    assert await here.judge("10:00:01", asked("b")) == ["b suppress consent_withdrawn"]


# Waking and letting go.


async def test_what_is_due_is_woken_and_let_go_once_published() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"), asked("b", "p-2"))
    assert await here.due() == at("06:00")
    assert await here.wake("05:59:59.999") == []
    assert words(await here.wake("06:00")) == ["a release", "b release"]
    assert await here.due() is None
    assert await here.wake("06:00:01") == []


@pytest.mark.parametrize("seconds", [5, 60, 3600])
async def test_nothing_lost_a_crash_between_commit_and_publishing_makes_it_due_again(
    seconds: int,
) -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    (first,) = await here.wake("06:00", publish=False)
    assert await here.due() == at("06:00") + LOOK_AGAIN
    judgement = await here.governor.wake(at("06:00") + seconds * SECOND)
    (again,) = judgement.resolutions
    assert (again.repeat, again.reconstructed, again.was_waiting) == (True, True, True)
    assert bare(again) == bare(first)
    await here.governor.published([again])
    assert await here.due() is None


async def test_nothing_lost_a_crash_again_and_again_goes_on_being_looked_at() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    (first,) = await here.wake("06:00", publish=False)
    for turn in range(1, 6):
        (again,) = (await here.governor.wake(at("06:00") + turn * LOOK_AGAIN)).resolutions
        assert again.decision_id == first.decision_id
        due = await here.due()
        assert due is not None
        assert due <= at("06:00") + (turn + 1) * LOOK_AGAIN
    _, (standing,) = await here.ledger.load(["p-1"])
    assert len(standing.log) == 1


async def test_nothing_lost_a_deferral_that_was_not_published_is_published_before_its_time() -> (
    None
):
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    moved = {"person": "p-1", "at": "2026-05-05T04:00:00Z", "time_zone": "America/New_York"}
    assert await here.judge("04:00", ("profile", moved), publish=False) == ["a defer quiet_hours"]
    assert await here.due() == at("04:00") + LOOK_AGAIN
    (again,) = await here.wake("04:00:05")
    assert (again.repeat, again.attempt) == (True, 2)
    assert await here.due() == at("12:00")
    assert words(await here.wake("12:00")) == ["a release"]


async def test_letting_go_twice_or_of_something_old_changes_nothing() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    (first,) = (await here.judged("03:00", asked("a"))).resolutions
    (final,) = await here.wake("06:00", publish=False)
    await here.governor.published([first])
    assert await here.due() is not None
    await here.governor.published([final])
    await here.governor.published([final])
    assert await here.due() is None


async def test_what_is_woken_twice_at_once_is_decided_once() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    first = await here.wake("06:00", publish=False)
    again = await here.wake("06:00:05", publish=False)
    assert bare(first[0]) == bare(again[0])
    assert [one.repeat for one in (*first, *again)] == [False, True]


# Controls.


async def test_a_control_sweeps_everybody_it_covers_and_nobody_else() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"), asked("b", "p-2", campaign="autumn"))
    assert await here.judge("04:00", steered("stop", campaign="spring")) == [
        "a suppress kill_switch"
    ]
    assert words(await here.wake("06:00")) == ["b release"]


async def test_a_control_that_came_again_after_a_crash_sweeps_again() -> None:
    broken = FailingLedger(MemoryLedger())
    here = await gate(broken, quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    broken.fails = ["commit"]
    stop = steered("stop")
    with pytest.raises(LedgerUnavailable):
        await here.judge("04:00", stop)
    assert await here.judge("04:00:01", stop) == ["a suppress kill_switch"]


async def test_controls_of_one_batch_are_applied_in_order_and_seen_by_its_candidates() -> None:
    here = await gate()
    lifted = [steered("pause"), steered("resume"), asked("a")]
    assert await here.judge("10:00", *lifted) == ["a release"]
    assert await here.judge("11:00", asked("b"), steered("resume"), steered("pause")) == [
        "b defer paused_campaign"
    ]
    assert await here.judge("12:00", steered("resume")) == ["b release"]


async def test_a_held_gate_writes_facts_down_and_judges_what_they_wake_once_it_opens() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    now = at("04:00")
    told = arrivals(here.policy, now, said("withdraw", when="04:00"))
    assert (await here.governor.judge(told, now, hold=True)).resolutions == []
    assert words(await here.wake("04:01")) == ["a suppress consent_withdrawn"]


async def test_a_control_on_a_held_gate_is_in_force_when_it_opens() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    now = at("04:00")
    stop = arrivals(here.policy, now, steered("stop"))
    assert (await here.governor.judge(stop, now, hold=True)).resolutions == []
    assert words(await here.wake("04:01")) == ["a suppress kill_switch"]


# The ledger is away.


@pytest.mark.parametrize("fails", ["load", "commit", "answer"])
async def test_fail_closed_while_the_ledger_is_away_nothing_comes_out(fails: str) -> None:
    broken = FailingLedger(MemoryLedger())
    here = await gate(broken, caps=[CAP])
    broken.fails = [fails, "load"]
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await here.judge("10:00", asked("a"), asked("b"))
    said_then = await here.judge("10:00:09", asked("a"), asked("b"))
    known = " again" if fails == "answer" else ""
    assert said_then == [f"a release{known}", f"b suppress cap_reached{known}"]
    _, (standing,) = await broken.load(["p-1"])
    assert len(standing.log) == 1


async def test_fail_closed_a_control_that_cannot_be_written_lets_nothing_out() -> None:
    broken = FailingLedger(MemoryLedger())
    here = await gate(broken)
    broken.fails = ["control"]
    with pytest.raises(LedgerUnavailable):
        await here.judge("10:00", steered("stop"), asked("a"))
    assert await here.judge("10:00:01", steered("stop"), asked("a")) == ["a suppress kill_switch"]


async def test_fail_closed_a_standing_that_never_holds_still_is_given_up() -> None:
    class Restless(MemoryLedger):
        async def commit(self, changes: Any) -> list[bool]:
            return [False for _ in changes]

    here = Gate(Restless())
    with pytest.raises(LedgerUnavailable, match="faster"):
        await here.judge("10:00", asked("a"))


# Late.


async def test_a_release_published_late_is_checked_against_the_ledger_again() -> None:
    here = await gate(caps=[CAP])
    late = (await here.judged("10:00", asked("a"), asked("b", "p-2"), publish=False)).resolutions
    await here.judge("10:00:03", said("withdraw", when="10:00:03"))
    again = await here.governor.reconsider(late, at("10:00:06"))
    assert words(again) == ["a suppress consent_withdrawn", "b release"]
    assert [one.decision_id for one in again] == [one.decision_id for one in late]
    assert again[1] is late[1]
    _, standings = await here.ledger.load(["p-1", "p-2"])
    assert [len(standing.log) for standing in standings] == [0, 1]
    assert await here.judge("10:00:07", asked("a")) == ["a suppress consent_withdrawn again"]


async def test_what_is_no_release_or_a_repeat_is_not_checked_again() -> None:
    here = await gate(caps=[CAP])
    first = (await here.judged("10:00", asked("a"), asked("b"))).resolutions
    repeats = (await here.judged("10:00:01", asked("a"))).resolutions
    await here.judge("10:00:03", said("withdraw", when="10:00:03"))
    assert await here.governor.reconsider(first[1:], at("10:00:06")) == first[1:]
    assert await here.governor.reconsider(repeats, at("10:00:06")) == repeats


async def test_a_late_release_of_what_waited_goes_back_and_is_let_go_later() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    late = await here.wake("06:00", publish=False)
    now = at("06:00:02")
    stop = arrivals(here.policy, now, steered("pause"))
    await here.governor.judge(stop, now, hold=True)
    (again,) = await here.governor.reconsider(late, at("06:00:06"))
    assert (words([again]), again.was_waiting) == (["a defer paused_campaign"], True)
    await here.governor.published([again])
    assert await here.judge("09:00", steered("resume")) == ["a release"]


async def test_one_verdict_a_late_release_that_another_worker_has_published_stays() -> None:
    here = await gate(quiet_hours=[NIGHTS])
    await here.judge("03:00", asked("a"))
    late = await here.wake("06:00", publish=False)
    (other,) = await here.wake("06:00:05")
    assert other.repeat
    await here.judge("06:00:06", said("withdraw", when="06:00:06"))
    assert await here.governor.reconsider(late, at("06:00:07")) == late
    _, (standing,) = await here.ledger.load(["p-1"])
    assert len(standing.log) == 1

"""A ledger that lost all, or its end, is the same again after its topics were read."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from governor.config import topics
from governor.core.instant import DAY, HOUR, SECOND
from governor.core.record import forget
from governor.core.standing import (
    REFUNDED,
    REPEATED,
    SENT,
    ControlState,
    Scope,
    Standing,
    name64,
)
from governor.core.verdict import OUTCOME_NAMES
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Change, LedgerUnavailable
from governor.rebuild import UNDER_WAY, Progress, Source
from governor.stream.publisher import PUBLISH_WITHIN
from tests.core.lives import SECTIONS, START, Step, event, steps
from tests.core.story import PERSON, asked, at
from tests.core.story import policy as policy_of
from tests.rebuild.kept import NAMES, Event, Gate

replace = msgspec.structs.replace

MARGIN = 10 * SECOND
LIVES = st.tuples(SECTIONS, steps(most=30))
CAP = {"id": "one", "match": {}, "limit": 1, "window": "24h", "at_cap": "suppress"}
NIGHTS = {"id": "nights", "match": {}, "allow": {"mon-sun": "08:00-21:00"}, "outside": "defer"}
SEEN = {"rules": [{"id": "seen", "when": {}}], "deadline": "24h", "on_deadline": "suppress"}


def gate(**sections: Any) -> Gate:
    return Gate(policy_of(**sections))


def said(when: str, action: str = "grant", **more: Any) -> Event:
    data = {"id": "c", "person": PERSON, "at": f"2026-05-{when}:00Z", "action": action}
    data |= {"purpose": "marketing"} | ({"basis": "consent"} if action == "grant" else {})
    return "consent", data | more


def about(topic: str, when: str, **more: Any) -> Event:
    data = {"id": "x", "person": PERSON, "at": f"2026-05-{when}:00Z", "reason": "because"}
    return cast("Event", (topic, data | more))


def control(when: str, action: str, **scope: str) -> Event:
    data = {"id": "k", "at": f"2026-05-{when}:00Z", "by": "ops", "action": action}
    return "control", data | {"scope": scope}


def candidate(when: str, id: str = "m", **more: Any) -> Event:
    return cast("Event", asked(when, id, **more))


def known(gate: Gate, standing: Standing, now: int) -> dict[str, Any]:
    """All that rules ask for and repeats rest on, as far as it is not forgotten by *now*."""
    one = forget(gate.policy, standing, now)
    finals = {each.message for each in one.log} | {each.message for each in one.judged}
    waits = [each for each in one.waiting if each.message not in finals]
    return {
        # That a release was repeated matters only to whoever has just committed it.
        "log": [
            replace(each, settled=SENT) if each.settled == REPEATED else each for each in one.log
        ],
        "judged": set(one.judged),
        "waiting": {
            replace(each, wake_at=0, planned_at=0, unsent=False, body=b"") for each in waits
        },
        "consents": set(one.consents),
        "profile": one.profile,
        "heard": set(one.heard),
        "learned": one.learned,
        "handed": one.handed and (one.handed.why, one.handed.since),
        "cancelled": set(one.cancelled),
        "answers": {each for each in one.answers if each.message not in finals},
    }


class Snapshot:
    """What a ledger held at a moment, and how far the topics were applied then."""

    def __init__(self, gate: Gate, now: int) -> None:
        self.ledger = copy.deepcopy(cast("MemoryLedger", gate.ledger))
        self.applied = gate.topics.applied()
        self.at = now

    def source(self, now: int | None) -> Source:
        return Source(max(0, self.at - MARGIN), self.applied, now)


async def live(here: Gate, happenings: list[Step]) -> tuple[int, list[Snapshot]]:
    """Live a life; return its end and what the ledger held on the way."""
    now = START
    await here.happen(now, said("04T11:00"))
    snapshots = [Snapshot(here, now)]
    for number, step in enumerate(happenings):
        # What comes in one millisecond has an order that no record tells.
        now += max(step.later, 1)
        await here.pass_to(now - 1)
        kind, data = event(step, number, now)
        if kind == "feedback" and not await released(here, data["message"]):
            # What is said of a message before it went out means something else afterwards.
            continue
        if kind == "review" and not await waits(here, data["message"]):
            # An early answer is forgotten in time, and the next one is the first then.
            continue
        await here.happen(now, cast("Event", (kind, data)))
        await here.pass_to(now)
        snapshots.append(Snapshot(here, now))
    return now, snapshots


async def released(here: Gate, message: str) -> bool:
    standing = await here.standing(PERSON)
    return message == "x" or standing.released(name64(message)) is not None


async def waits(here: Gate, message: str) -> bool:
    return (await here.standing(PERSON)).waits(name64(message)) is not None


async def person(ledger: MemoryLedger) -> Standing:
    _, [found] = await ledger.load([NAMES.of(PERSON)])
    return found


@given(LIVES)
def test_an_empty_ledger_is_the_same_again(life: tuple[dict[str, Any], list[Step]]) -> None:
    async def check() -> None:
        here = gate(**life[0])
        now, _ = await live(here, life[1])
        again = MemoryLedger()
        with pytest.MonkeyPatch.context() as patch:
            await here.restore(patch, again, Source(now=now))
        real, back = await here.standing(PERSON), await person(again)
        assert known(here, back, now) == known(here, real, now)
        (was, _), (is_, _) = await here.ledger.load([]), await again.load([])
        assert (is_.pauses, is_.stops) == (was.pauses, was.stops)
        last = max((one.seq for one in here.resolutions), default=0)
        assert back.version >= last

    asyncio.run(check())


@given(LIVES, st.data())
def test_a_ledger_that_lost_its_end_is_the_same_again(
    life: tuple[dict[str, Any], list[Step]], data: st.DataObject
) -> None:
    async def check() -> None:
        here = gate(**life[0])
        now, snapshots = await live(here, life[1])
        cut = data.draw(st.sampled_from(snapshots))
        before = (await person(cut.ledger)).version
        # The ledger may also have lost less than it knows of.
        kept = data.draw(st.sampled_from([one for one in snapshots if one.at >= cut.at]))
        assume(not repeated_settling(here, cut.applied[topics.FEEDBACK][0]))
        with pytest.MonkeyPatch.context() as patch:
            await here.restore(patch, kept.ledger, cut.source(now))
        real, back = await here.standing(PERSON), await person(kept.ledger)
        assert known(here, back, now) == known(here, real, now)
        (was, _), (is_, _) = await here.ledger.load([]), await kept.ledger.load([])
        assert (is_.pauses, is_.stops) == (was.pauses, was.stops)
        assert back.version >= before

    asyncio.run(check())


def repeated_settling(here: Gate, offset: int) -> bool:
    """Whether `delivered` came before `bounced`: told again, the former counts the slot again."""
    kept = here.topics.records_of[f"t.{topics.FEEDBACK}"][offset:]
    values = [msgspec.json.decode(one.value or b"") for one in kept]
    delivered = {one["message"] for one in values if one["kind"] == "delivered"}
    return any(
        one["kind"] in ("bounced", "failed") and one["message"] in delivered for one in values
    )


@settings(max_examples=20)
@given(LIVES)
def test_restoring_twice_changes_nothing_more(life: tuple[dict[str, Any], list[Step]]) -> None:
    async def check() -> None:
        here = gate(**life[0])
        now, _ = await live(here, life[1])
        assume(not repeated_settling(here, 0))
        again = MemoryLedger()
        with pytest.MonkeyPatch.context() as patch:
            await here.restore(patch, again)
            first, control = await person(again), (await again.load([]))[0]
            await here.restore(patch, again)
        assert known(here, await person(again), now) == known(here, first, now)
        assert (await again.load([]))[0] == control

    asyncio.run(check())


async def restored(here: Gate, patch: pytest.MonkeyPatch, now: int) -> Gate:
    """The gate on an empty ledger that was filled from its topics."""
    again = MemoryLedger()
    await here.restore(patch, again, Source(now=now))
    here.ledger = again
    return here


def words(resolutions: list[Any]) -> list[str]:
    return [
        f"{one.incoming.candidate.id} {OUTCOME_NAMES[one.verdict.outcome]} {one.verdict.code}"
        for one in resolutions
    ]


async def test_never_above_a_cap_what_was_released_counts_after_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP])
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    await restored(here, monkeypatch, at("10:00:10"))
    came = await here.happen(at("10:00:20"), candidate("10:00", "n"))
    assert words(came) == ["n suppress cap_reached"]


async def test_a_release_that_only_the_sender_has_counts_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker died between the released record and the decision."""
    here = gate(caps=[CAP])
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    here.topics.records_of[f"t.{topics.DECISIONS}"].clear()
    real = await here.standing(PERSON)
    await restored(here, monkeypatch, at("10:00:10"))
    assert (await here.standing(PERSON)).log == real.log
    assert words(await here.happen(at("10:01"), candidate("10:00", "n"))) == [
        "n suppress cap_reached"
    ]


async def test_a_refund_holds_after_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    here = gate(caps=[CAP])
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    bounced = about("feedback", "05T10:05", message="m", kind="bounced")
    await here.happen(at("10:05"), bounced)
    await restored(here, monkeypatch, at("10:06"))
    assert [one.settled for one in (await here.standing(PERSON)).log] == [REFUNDED]
    assert words(await here.happen(at("10:07"), candidate("10:00", "n"))) == ["n release None"]


async def test_a_withdrawal_holds_after_a_loss_also_what_feedback_withdrew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate()
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    await here.happen(at("10:05"), about("feedback", "05T10:05", message="m", kind="unsubscribed"))
    await restored(here, monkeypatch, at("10:06"))
    assert words(await here.happen(at("10:07"), candidate("10:00", "n"))) == [
        "n suppress consent_withdrawn"
    ]


async def test_the_cancellation_of_what_has_not_arrived_holds_after_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate()
    await here.happen(at("10:00"), said("04T11:00"))
    await here.happen(at("10:00"), about("cancellation", "05T10:00", message="m"))
    await restored(here, monkeypatch, at("10:06"))
    assert words(await here.happen(at("10:07"), candidate("10:00"))) == ["m suppress cancelled"]


async def test_what_was_cancelled_while_the_gate_was_held_is_not_released_after_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Held, a cancellation is written down and no decision tells of it yet."""
    here = gate(quiet_hours=[NIGHTS])
    await here.happen(at("03:00"), said("04T11:00"), candidate("03:00"), candidate("03:00", "n"))
    one = about("cancellation", "05T03:05", message="m")
    await here.happen(at("03:05"), one, hold=True)
    campaign = about("cancellation", "05T03:06", campaign="spring")
    await here.happen(at("03:06"), campaign, hold=True)
    await restored(here, monkeypatch, at("03:10"))
    assert sorted(words(await here.pass_to(at("03:10")))) == [
        "m suppress cancelled",
        "n suppress cancelled",
    ]
    # Sent again after the campaign was taken back: this one is meant to go, after a loss as well.
    await here.happen(at("03:11"), candidate("03:11", "o"))
    await restored(here, monkeypatch, at("03:12"))
    assert words(await here.pass_to(at("23:00"))) == ["o release None"]


async def test_a_pause_of_a_campaign_holds_after_a_loss_and_its_end_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate()
    await here.happen(
        at("09:00"), said("04T11:00"), control("05T09:00", "pause", campaign="spring")
    )
    assert words(await here.happen(at("10:00"), candidate("10:00"))) == ["m defer paused_campaign"]
    await restored(here, monkeypatch, at("10:06"))
    assert (await here.ledger.load([]))[0].pauses == {Scope(campaign="spring")}
    assert await here.pass_to(at("10:10")) == []
    # Written down while held, and lost before it was acted on.
    await here.happen(at("10:10"), control("05T10:10", "resume", campaign="spring"), hold=True)
    await restored(here, monkeypatch, at("10:11"))
    assert words(await here.pass_to(at("10:11"))) == ["m release None"]


async def test_a_resume_that_was_lost_wakes_what_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    here = gate()
    await here.happen(at("09:00"), said("04T11:00"), control("05T09:00", "pause"))
    await here.happen(at("10:00"), candidate("10:00"))
    cut = Snapshot(here, at("10:00:01"))
    await here.happen(at("10:10"), control("05T10:10", "resume"), hold=True)
    await here.restore(monkeypatch, cut.ledger, cut.source(at("10:11")))
    here.ledger = cut.ledger
    assert words(await here.pass_to(at("10:11"))) == ["m release None"]


async def test_feedback_on_what_waited_is_ignored_after_a_loss_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP], quiet_hours=[NIGHTS])
    await here.happen(at("03:00"), said("04T11:00"), candidate("03:00"))
    await here.happen(at("03:05"), about("feedback", "05T03:05", message="m", kind="bounced"))
    assert words(await here.pass_to(at("12:00"))) == ["m release None"]
    await here.happen(at("12:05"), about("feedback", "05T12:05", message="m", kind="opened"))
    real = await here.standing(PERSON)
    await restored(here, monkeypatch, at("12:06"))
    back = await here.standing(PERSON)
    assert (back.log, set(back.heard)) == (real.log, set(real.heard))
    assert words(await here.happen(at("12:07"), candidate("12:07", "n"))) == [
        "n suppress cap_reached"
    ]


GATHER = {"window": "10m", "losers": "suppress"}


async def test_what_gathers_keeps_its_window_over_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP], arbitration=GATHER)
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00", "a", priority=10))
    await here.happen(at("10:03"), candidate("10:03", "b", priority=90))
    assert here.topics.records_of["t.outreach.decisions"] == []
    real = await here.standing(PERSON)
    await restored(here, monkeypatch, at("10:05"))
    back = await here.standing(PERSON)
    # All that waits is looked at once; what gathers is not let out by that.
    assert {one.wake_at for one in back.waiting} == {at("10:05")}
    assert known(here, back, at("10:05")) == known(here, real, at("10:05"))
    assert await here.pass_to(at("10:09:59")) == []
    again = await here.happen(at("10:09:59"), candidate("10:03", "b", priority=90))
    assert [(one.repeat, one.gathers) for one in again] == [(True, True)]
    assert words(await here.pass_to(at("10:10"))) == [
        "b release None",
        "a suppress cap_reached",
    ]
    await restored(here, monkeypatch, at("10:11"))
    assert (await here.standing(PERSON)).waiting == ()


async def test_a_window_that_closed_while_the_ledger_was_away_is_judged_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(arbitration=GATHER)
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    await here.happen(at("10:03"), candidate("10:03", "n", category="service"))
    await here.happen(at("10:04"), said("05T10:04", "withdraw"), hold=True)
    await restored(here, monkeypatch, at("10:30"))
    assert words(await here.pass_to(at("10:30"))) == [
        "m suppress consent_withdrawn",
        "n release None",
    ]


async def test_never_above_a_cap_after_a_loss_though_somebody_spoke_of_what_gathered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP], arbitration=GATHER)
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    await here.happen(at("10:05"), about("feedback", "05T10:05", message="m", kind="bounced"))
    assert words(await here.pass_to(at("10:10"))) == ["m release None"]
    await restored(here, monkeypatch, at("10:11"))
    assert [one.settled for one in (await here.standing(PERSON)).log] == [SENT]


async def test_what_a_reviewer_answered_holds_after_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(review=SEEN)
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"), candidate("10:00", "n"))
    yes = about("review", "05T10:30", message="m", reviewer="ann", answer="approve")
    early = about("review", "05T10:30", message="o", reviewer="ann", answer="approve")
    no = about("review", "05T10:30", message="n", reviewer="ann", answer="refuse")
    await here.happen(at("10:30"), yes, no, early, hold=True)
    await restored(here, monkeypatch, at("10:31"))
    assert sorted(words(await here.pass_to(at("10:31")))) == [
        "m release None",
        "n suppress review_refused",
    ]
    assert words(await here.happen(at("10:32"), candidate("10:00", "o"))) == ["o release None"]
    await restored(here, monkeypatch, at("10:33"))
    assert len((await here.standing(PERSON)).log) == 2


async def test_what_waits_keeps_its_time_and_its_deadline_over_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(review=SEEN)
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    await restored(here, monkeypatch, at("12:00"))
    assert await here.pass_to(at("23:00")) == []
    assert words(await here.pass_to(at("06T09:59:59"))) == []
    assert words(await here.pass_to(at("06T10:00"))) == ["m suppress review_expired"]


async def test_what_was_withdrawn_after_it_was_decided_goes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(quiet_hours=[NIGHTS])
    await here.happen(at("03:00"), said("04T11:00"), candidate("03:00"))
    await here.happen(at("03:05"), said("05T03:05", "withdraw"), hold=True)
    await restored(here, monkeypatch, at("03:06"))
    assert words(await here.pass_to(at("03:06"))) == ["m suppress consent_withdrawn"]


async def test_an_id_that_was_judged_before_the_loss_keeps_its_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP])
    first = await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    first += await here.happen(at("10:01"), candidate("10:00", "n"))
    await restored(here, monkeypatch, at("10:02"))
    again = await here.happen(at("10:03"), candidate("10:00"), candidate("10:00", "n"))
    assert [one.decision_id for one in again] == [one.decision_id for one in first]
    assert [one.decided_at for one in again] == [one.decided_at for one in first]
    assert all(one.repeat for one in again)


async def test_the_next_decision_is_numbered_after_all_that_were_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(quiet_hours=[NIGHTS])
    await here.happen(at("03:00"), said("04T11:00"), candidate("03:00"))
    await here.pass_to(at("12:00"))
    await restored(here, monkeypatch, at("12:01"))
    [last] = await here.happen(at("12:02"), candidate("12:00", "n"))
    assert last.seq > max(one.seq for one in here.resolutions[:-1])


async def test_what_no_rule_can_ask_for_any_more_is_not_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP])
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"), candidate("10:00", "n"))
    again = MemoryLedger()
    await here.restore(monkeypatch, again, Source(now=at("10:00") + 80 * HOUR))
    back = await person(again)
    assert (len(back.log), len(back.judged)) == (1, 0)
    await here.restore(monkeypatch, again, Source(now=at("10:00") + 181 * DAY))
    assert (await person(again)).log == ()


async def test_in_a_replay_nothing_is_forgotten_or_woken_by_another_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[CAP], quiet_hours=[NIGHTS])
    await here.happen(at("03:00"), said("04T11:00"), candidate("03:00"))
    real = await here.standing(PERSON)
    again = MemoryLedger()
    await here.restore(monkeypatch, again, Source())
    [waits] = (await person(again)).waiting
    assert waits.wake_at == real.waiting[0].planned_at == waits.planned_at


async def test_what_cannot_be_read_is_counted_and_the_rest_is_restored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = gate(caps=[CAP])
    broken = [None, b"", b"[]", b"{}", b"null", b'{"final": true, "entry": null}', b"\xff"]
    broken += [b'{"final": true, "entry": {}, "message": null, "person": 5, "decided_at": 7}']
    for value in broken:
        for topic in (topics.DECISIONS, topics.RELEASED, topics.CONSENTS, topics.CONTROL):
            here.topics.put(topic, 0, b"k", value, [("governor_entry", None), ("ce_time", None)])
        if value is not None:
            here.topics.put(topics.WAITING, 0, b"somebody|m", value)
    here.topics.put(topics.WAITING, 0, None, b"x")
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    real = await here.standing(PERSON)
    again = MemoryLedger()
    done = await here.restore(monkeypatch, again)
    assert (await person(again)).log == real.log
    # Of what waits only the last of each place counts.
    assert done.odd == 2 * len(broken) + 1
    assert "cannot be restored" in caplog.text
    assert PERSON not in caplog.text


class Beside(MemoryLedger):
    """A ledger into which somebody else writes between a load and the commit."""

    def __init__(self) -> None:
        super().__init__()
        self.overtaken = 0

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        if self.overtaken:
            self.overtaken -= 1
            _, found = await self.load([one.key for one in changes])
            rivals = [
                Change(one.key, known.version, replace(known, version=known.version + 1))
                for one, known in zip(changes, found, strict=True)
            ]
            await super().commit(rivals)
        return await super().commit(changes)


async def test_who_is_overtaken_tells_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    here = gate(caps=[CAP])
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    real = await here.standing(PERSON)
    again = Beside()
    again.overtaken = 5
    await here.restore(monkeypatch, again)
    assert (await person(again)).log == real.log
    endless = Beside()
    endless.overtaken = 10_000
    with pytest.raises(LedgerUnavailable, match="faster than it can be restored"):
        await here.restore(monkeypatch, endless)


async def test_a_control_that_somebody_else_writes_meanwhile_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate()
    await here.happen(at("09:00"), control("05T09:00", "stop", campaign="spring"))
    await here.happen(at("09:01"), control("05T09:01", "start", campaign="spring"))
    await here.happen(at("09:02"), control("05T09:02", "pause", channel="sms"))
    again, happened = MemoryLedger(), False

    def seen(topic: str) -> None:
        nonlocal happened
        if topic.endswith(topics.CONTROL) and not happened:
            happened = True
            # A worker that is done before us applies what came last.
            state = ControlState(1, stops=frozenset({Scope(campaign="spring")}))
            asyncio.get_running_loop().create_task(again.commit_control(0, state))
            here.topics.tell(at("09:03"), control("05T09:03", "stop", campaign="spring"))

    kept = here.topics.records_of[f"t.{topics.CONTROL}"]
    before = len(kept)
    here.topics.seen = seen
    commit = again.commit_control

    async def late(expected: int, state: ControlState) -> bool:
        await asyncio.sleep(0)
        return await commit(expected, state)

    monkeypatch.setattr(again, "commit_control", late)
    await here.restore(monkeypatch, again)
    assert len(kept) == before + 1
    state = (await again.load([]))[0]
    assert state.stops == {Scope(campaign="spring")}
    assert state.pauses == {Scope(channel="sms")}


async def test_a_long_history_of_controls_may_be_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger remembers only the last controls as applied."""
    here = gate()
    for number in range(300):
        action, campaign = ("stop", "start")[number % 2], f"c{number // 2 % 7}"
        data = control("05T09:00", action, campaign=campaign)[1] | {"id": f"k{number}"}
        await here.happen(at("09:00") + number, ("control", data))
    await here.happen(at("09:01"), control("05T09:01", "pause", channel="sms"))
    again = MemoryLedger()
    for _ in range(3):
        await here.restore(monkeypatch, again)
        state = (await again.load([]))[0]
        assert not state.stops
        assert state.pauses == {Scope(channel="sms")}


async def test_what_it_has_read_is_told_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    here = gate(caps=[CAP])
    await here.happen(at("10:00"), said("04T11:00"), candidate("10:00"))
    seen: list[Progress] = []
    done = await here.restore(
        monkeypatch, MemoryLedger(), told=lambda one: seen.append(copy.copy(one))
    )
    assert {one.topic for one in seen} >= {"t.people.consents", "t.outreach.decisions"}
    assert [one.records for one in seen] == sorted(one.records for one in seen)
    # The consent, the decision and the released record.
    assert done.records == 3


def test_what_was_committed_before_a_loss_is_waited_for_as_long_as_it_may_be_published() -> None:
    assert UNDER_WAY >= PUBLISH_WITHIN


HOME = {"id": "home", "per": ["household"], "limit": 2, "window": "30d", "at_cap": "suppress"}


async def test_households_are_rebuilt_from_what_went_out_to_their_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[HOME])
    await here.happen(at("04T11:00"), said("04T11:00"), said("04T11:00", person="p-43"))
    await here.happen(at("10:00"), candidate("10:00", "a", household="h-7"))
    await here.happen(at("10:01"), candidate("10:01", "b", household="h-7", person="p-43"))
    await here.happen(at("10:02"), candidate("10:02", "c", household="h-7"))
    failed = about("feedback", "05T11:00", message="b", kind="bounced", person="p-43")
    await here.happen(at("11:00"), failed)
    real = cast("MemoryLedger", here.ledger)
    [home] = await real.households([NAMES.of("h-7")])
    assert [slot.refunded for slot in home.slots] == [False, True]
    again = MemoryLedger()
    for now in (at("11:01"), at("11:02")):
        await here.restore(monkeypatch, again, Source(now=now))
        assert again.household_keys() == real.household_keys()
        [back] = await again.households([NAMES.of("h-7")])
        assert [replace(slot, seq=0) for slot in back.slots] == [
            replace(slot, seq=0) for slot in home.slots
        ]
    here.ledger = again
    found = await here.happen(at("11:03"), candidate("11:03", "d", household="h-7", person="p-43"))
    assert [OUTCOME_NAMES[one.verdict.outcome] for one in found] == ["release"]
    later = candidate("11:04", "e", household="h-7", person="p-43")
    (last,) = await here.happen(at("11:04"), later)
    assert last.verdict.code == "household_cap"


async def test_a_household_that_lost_its_end_is_the_same_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = gate(caps=[HOME])
    await here.happen(at("04T11:00"), said("04T11:00"))
    await here.happen(at("10:00"), candidate("10:00", "a", household="h-7"))
    before = Snapshot(here, at("10:00"))
    await here.happen(at("10:30"), candidate("10:30", "b", household="h-7"))
    await here.happen(at("10:40"), about("feedback", "05T10:40", message="b", kind="failed"))
    real = cast("MemoryLedger", here.ledger)
    # What is known of the person is there, what is known of the household is an hour old.
    real._households = before.ledger._households
    await here.restore(monkeypatch, real, before.source(at("11:00")))
    [home] = await real.households([NAMES.of("h-7")])
    assert [slot.refunded for slot in home.slots] == [False, True]


async def test_without_a_cap_by_household_none_is_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    here = gate(caps=[CAP])
    await here.happen(at("04T11:00"), said("04T11:00"))
    await here.happen(at("10:00"), candidate("10:00", "a", household="h-7"))
    again = MemoryLedger()
    await here.restore(monkeypatch, again, Source(now=at("11:00")))
    assert again.household_keys() == []

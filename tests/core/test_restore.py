"""What the topics tell of a person makes the same standing again, in whatever order and number."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.codec.encode import encode_decision, released_headers
from governor.codec.waiting import decode_waiting, encode_waiting
from governor.core import model
from governor.core.incoming import Told
from governor.core.instant import HOUR, parse_instant
from governor.core.resolution import Resolution
from governor.core.restore import (
    entry_of,
    final_of,
    with_fact,
    with_final,
    with_waiting,
    without_waiting,
    woken,
)
from governor.core.standing import (
    REFUNDED,
    SENT,
    STRANGER,
    Answer,
    Entry,
    Judged,
    Standing,
    Waiting,
    name64,
)
from governor.core.verdict import Outcome
from tests.core.lives import SECTIONS, Life, steps
from tests.core.story import Story, at, policy

LIVES = st.tuples(SECTIONS, steps(most=30))
replace = msgspec.structs.replace


def decided(resolution: Resolution) -> Entry | Judged:
    """Read back what the decision tells."""
    return final_of(json.loads(encode_decision(resolution, person=resolution.key)))


def from_released(resolution: Resolution) -> Entry:
    """Read back what the released record tells."""
    headers = dict(released_headers(resolution))
    entry = json.loads(headers["governor_entry"])
    raw = resolution.incoming.raw
    channel = resolution.entry.channel if resolution.entry else None
    told = {**raw, **entry, "channel": channel, "message": raw["id"]}
    return entry_of(told, entry, parse_instant(headers["ce_time"].decode()))


def finals(resolutions: list[Resolution]) -> list[Entry | Judged]:
    return [decided(one) for one in resolutions if one.verdict.final]


def waits(resolutions: list[Resolution]) -> dict[str, Waiting | None]:
    """What the topic of what waits holds at the end: the last of each message."""
    last: dict[str, Waiting | None] = {}
    for one in resolutions:
        message = one.incoming.candidate.id
        if one.waiting is not None:
            last[message], _ = decode_waiting(encode_waiting(one.waiting, one.incoming))
        elif one.was_waiting:
            last[message] = None
    return last


def tell(standing: Standing, thing: Entry | Judged | Waiting | int) -> Standing:
    if isinstance(thing, Waiting):
        return with_waiting(standing, thing)
    if isinstance(thing, int):
        return without_waiting(standing, thing)
    return with_final(standing, thing)


def told_by(resolutions: list[Resolution]) -> list[Entry | Judged | Waiting | int]:
    """All that the topics tell, in the order in which it is read."""
    last = waits(resolutions).items()
    return [
        *finals(resolutions),
        *(from_released(one) for one in resolutions if one.entry is not None),
        *(name64(message) if waiting is None else waiting for message, waiting in last),
    ]


def lived(life: tuple[dict[str, Any], Any]) -> Story:
    sections, happenings = life
    played = Life(sections)
    played.story.forgets = False
    for step in happenings:
        played.live(step)
    return played.story


def known(standing: Standing) -> tuple[Any, ...]:
    """What is known of messages, whatever the version."""
    return set(standing.log), set(standing.judged), set(standing.waiting)


@given(LIVES)
def test_the_topics_tell_the_same_send_log_suppressions_and_waiting(
    life: tuple[dict[str, Any], Any],
) -> None:
    story = lived(life)
    again = STRANGER
    for thing in told_by(story.resolutions):
        again = tell(again, thing)
    real = story.standing
    # What became of a release is told by the feedback on it.
    assert again.log == tuple(replace(one, settled=0) for one in real.log)
    assert again.judged == real.judged

    def lasting(standing: Standing) -> set[Waiting]:
        # An unchanged re-judgement publishes nothing: only when to look again may differ.
        return {
            replace(one, wake_at=0, planned_at=0, unsent=False, body=b"")
            for one in standing.waiting
        }

    assert lasting(again) == lasting(real)
    seqs = [one.seq for of in (real.log, real.judged, real.waiting) for one in of]
    assert again.version >= max(seqs, default=0)


@given(LIVES, st.randoms(use_true_random=False))
def test_telling_twice_changes_nothing(
    life: tuple[dict[str, Any], Any], chance: random.Random
) -> None:
    things = told_by(lived(life).resolutions)
    standing = STRANGER
    for thing in things:
        standing = tell(standing, thing)
    for thing in chance.sample(things, len(things)):
        assert tell(standing, thing) is standing


@given(LIVES, st.randoms(use_true_random=False))
def test_the_order_of_final_verdicts_does_not_matter_and_no_version_goes_down(
    life: tuple[dict[str, Any], Any], chance: random.Random
) -> None:
    all_of_them = finals(lived(life).resolutions)
    # Whatever a lost ledger or a twin may have made of one message besides.
    for one in chance.sample(all_of_them, min(3, len(all_of_them))):
        all_of_them.append(replace(one, at=one.at + chance.choice([-HOUR, 0, HOUR]), seq=99))
        late = one.at + 2 * HOUR
        all_of_them.append(Judged(one.message, late, "expired", 0, 9, 98, one.digest))
    released = {one.message for one in all_of_them if isinstance(one, Entry)}
    expected: tuple[Any, ...] | None = None
    for _ in range(3):
        standing = STRANGER
        for final in chance.sample(all_of_them, len(all_of_them)):
            after = with_final(standing, final)
            assert after is standing or after.version > standing.version
            assert after is standing or after.version >= final.seq
            standing = after
        messages = [one.message for one in standing.log]
        messages += [one.message for one in standing.judged]
        assert len(messages) == len(set(messages))
        assert list(standing.log) == sorted(standing.log, key=lambda one: (one.at, one.seq))
        assert released <= {one.message for one in standing.log}
        expected = expected or known(standing)
        assert known(standing) == expected


ENTRY = Entry(1, at("10:00"), "promotional", 7, "email", seq=3)
JUDGED = Judged(1, at("11:00"), "cap_reached", 0, 1, 2, 5)
WAITS = Waiting(
    1,
    5,
    7,
    at("08:00"),
    at("08:00"),
    Outcome.DEFER,
    "quiet_hours",
    0,
    at("12:00"),
    wake_at=at("08:00:05"),
    planned_at=at("12:00"),
    attempt=2,
    seq=4,
    unsent=True,
)


def test_never_above_a_cap_a_release_stands_over_a_suppression() -> None:
    for standing in (
        with_final(with_final(STRANGER, ENTRY), JUDGED),
        with_final(with_final(STRANGER, JUDGED), ENTRY),
    ):
        assert (standing.log, standing.judged) == ((ENTRY,), ())


def test_what_was_refunded_stays_so_when_its_release_is_told_again() -> None:
    refunded = Standing(9, log=(replace(ENTRY, settled=REFUNDED),))
    assert with_final(refunded, ENTRY) is refunded


def test_a_final_verdict_ends_the_waiting_and_its_answers() -> None:
    answers = (Answer(1, 2, approve=True, variant=None, at=0),)
    standing = with_final(Standing(9, waiting=(WAITS,), answers=answers), ENTRY)
    assert (standing.waiting, standing.answers, standing.version) == ((), (), 10)


def test_what_waits_comes_back_settled_unless_more_is_known() -> None:
    [back] = with_waiting(STRANGER, WAITS).waiting
    assert back == replace(WAITS, wake_at=WAITS.planned_at, unsent=False)
    later = Standing(9, waiting=(replace(WAITS, attempt=3),))
    assert with_waiting(later, WAITS) is later
    done = with_final(STRANGER, JUDGED)
    assert with_waiting(done, WAITS) is done
    newer = with_waiting(Standing(9, waiting=(replace(WAITS, attempt=1),)), WAITS)
    assert [one.attempt for one in newer.waiting] == [2]
    assert newer.version == 10


def test_a_let_go_message_waits_no_more() -> None:
    standing = Standing(4, waiting=(WAITS, replace(WAITS, message=2)))
    assert [one.message for one in without_waiting(standing, 1).waiting] == [2]
    assert without_waiting(standing, 1).version == 5
    assert without_waiting(standing, 77) is standing


def test_a_cancelled_campaign_takes_back_what_waited_then_and_nothing_later() -> None:
    early = replace(WAITS, message=1, campaign=name64("spring"))
    late, other = replace(early, message=2, received_at=at("09:00")), replace(WAITS, message=3)
    standing = Standing(4, waiting=(early, late, other))
    written = {"id": "x", "person": "p", "at": "2026-05-05T08:30:00Z", "campaign": "spring"}
    told = Told(model.Cancellation.model_validate(written), at("08:30"))
    after = with_fact(standing, told, policy(), str, skew=0)
    assert [one.cancelled for one in after.waiting] == [True, False, False]
    assert after.version == 5
    assert with_fact(after, told, policy(), str, skew=0) is after


@pytest.mark.parametrize(("came", "settled"), [("07:59:58", SENT), ("08:00", REFUNDED)])
def test_never_above_a_cap_what_may_have_come_before_a_release_gives_no_slot_back(
    came: str, settled: int
) -> None:
    person = Story()
    person.grant("00:00")
    assert person.candidate("08:00", "a") == ["a release"]
    bounce = {"id": "f", "message": "a", "person": "p-42", "at": "2026-05-05T07:00:00Z"}
    told = Told(model.Feedback.model_validate({**bounce, "kind": "bounced"}), at(came))
    after = with_fact(person.standing, told, person.policy, str, skew=5_000)
    assert [one.settled for one in after.log] == [settled]


def test_what_is_woken_is_looked_at_no_later() -> None:
    soon, late = replace(WAITS, wake_at=at("08:30")), replace(WAITS, message=2, wake_at=at("11:00"))
    standing = Standing(4, waiting=(soon, late))
    after = woken(standing, at("09:00"))
    assert [one.wake_at for one in after.waiting] == [at("08:30"), at("09:00")]
    assert [one.planned_at for one in after.waiting] == [at("12:00")] * 2
    assert after.version == 5
    assert woken(after, at("09:00")) is after


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"message": "m"},
        {"message": "m", "campaign": "c", "category": "x", "channel": "e", "digest": "zz"},
        {"message": None, "campaign": "c"},
    ],
)
def test_what_is_no_decision_is_refused_in_a_foreseen_way(broken: dict[str, Any]) -> None:
    entry: dict[str, Any] = {"household": None, "counts": True, "exposure": 0, "techniques": []}
    for part in ({}, entry, {**entry, "offer_ends_at": None}, {**entry, "offer_ends_at": 5}):
        with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
            entry_of(broken, part, 0)
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        final_of({**broken, "entry": None})

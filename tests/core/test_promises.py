"""What governor promises, whatever the policy says and whatever happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from governor.core.calendar import calendar_window
from governor.core.decide import decide
from governor.core.instant import DAY, HOUR, parse_instant
from governor.core.kind import kind_of
from governor.core.policy import Cap
from governor.core.resolution import Resolution
from governor.core.rules import findings_of
from governor.core.standing import SENT, name64
from governor.core.turn import Turn
from governor.core.verdict import Finding, Outcome
from tests.core.lives import (
    CAPS,
    HOURS,
    LIMITS,
    MESSAGES,
    REVIEWS,
    SECTIONS,
    Life,
    Step,
    steps,
)
from tests.core.story import PERSON, Event, arrived, bare, policy

LIVES = st.tuples(SECTIONS, steps())
# Longer than a life, where an id that comes again must not be a new message.
LONG = {"retention": {"verdicts": "170d", "history": "180d"}}


def lived(life: tuple[dict[str, Any], list[Step]]) -> Life:
    sections, happening = life
    played = Life(sections)
    for step in happening:
        played.live(step)
    played.end(30 * DAY)
    return played


def first_time(resolutions: list[Resolution]) -> list[Resolution]:
    return [one for one in resolutions if not one.repeat and not one.gathers]


# no-consent-no-release

RANK = {"grant": 0, "unobject": 0, "resume": 0, "pause": 1, "refuse": 2, "withdraw": 2, "object": 2}


PURPOSES = {"promotional": "marketing", "news": "news", "code": "contract"}


class Said:
    """What the person said so far, feedback included, kept apart from the code."""

    def __init__(self) -> None:
        self.words: list[dict[str, Any]] = []
        self._judged: dict[str, Resolution] = {}

    def decided(self, one: Resolution) -> None:
        known = self._judged.get(one.incoming.candidate.id)
        if known is None or known.entry is None:
            self._judged[one.incoming.candidate.id] = one

    def told(self, event: Event, now: int) -> None:
        kind, data = event
        if kind == "consent":
            self.words.append({**data, "at": parse_instant(data["at"])})
        if kind != "feedback" or data["kind"] not in ("unsubscribed", "complained"):
            return
        known = self._judged.get(data["message"])
        word = {"action": "withdraw", "purpose": "*", "at": now, "channel": None}
        if known is not None and known.entry is None:
            return
        if known is not None and known.entry is not None:
            word["purpose"] = PURPOSES[known.entry.category]
            if data["kind"] == "unsubscribed":
                word["channel"] = known.entry.channel
        self.words.append(word)


def allows(said: list[dict[str, Any]], release: Resolution, bases: list[str]) -> bool:
    """Tell from all that was said whether *release* had a lawful ground, and no objection."""
    assert release.entry is not None
    candidate = release.incoming.candidate
    purpose = PURPOSES[candidate.category]
    matching = [
        one
        for one in said
        if one["purpose"] in (purpose, "*")
        and one.get("channel") in (None, release.entry.channel)
        and one.get("topic") in (None, candidate.topic)
    ]

    def last(*actions: str) -> dict[str, Any] | None:
        found = [one for one in matching if one["action"] in actions]
        return max(found, key=lambda one: (one["at"], RANK[one["action"]]), default=None)

    objection, ended = last("object", "unobject"), last("withdraw", "refuse")
    if objection and objection["action"] == "object":
        return False
    if (pause := last("pause", "resume")) and pause["action"] == "pause":
        ties = [one for one in matching if one["action"] == "pause" and one["at"] == pause["at"]]
        if any("until" not in one for one in ties):
            return False
        if release.decided_at < max(parse_instant(one["until"]) for one in ties):
            return False
    grants = [
        one
        for one in matching
        if one["action"] == "grant"
        and one["basis"] in bases
        and (ended is None or one["at"] > ended["at"])
    ]
    if "legitimate_interest" in bases:
        return ended is None or bool(grants)
    return any(
        "expires_at" not in one or release.decided_at < parse_instant(one["expires_at"])
        for one in grants
    )


@given(SECTIONS, steps(["candidate"] * 3 + ["consent"] * 3 + ["feedback"]))
def test_no_consent_no_release_whatever_the_person_said_and_in_which_order(
    sections: dict[str, Any], happening: list[Step]
) -> None:
    life, said = Life(sections, consenting=False), Said()
    for step in [*happening, Step(10 * DAY, "profile", {})]:
        decided = first_time(life.live(step))
        for late in (False, True):
            if late:
                said.told(life.events[-1][1], life.now)
            for one in decided:
                if (one.decided_at == life.now) != late:
                    continue
                said.decided(one)
                category = one.incoming.candidate.category
                if one.entry is not None and category != "code":
                    assert allows(said.words, one, sections["categories"][category]["basis"])


@given(
    SECTIONS,
    steps(["candidate"], least=2, most=8),
    st.sampled_from(["withdraw", "refuse", "object"]),
)
def test_no_consent_no_release_a_withdrawal_beats_everything_that_is_not_yet_released(
    sections: dict[str, Any], happening: list[Step], action: str
) -> None:
    life = Life(sections)
    for step in happening:
        life.live(step)
    released = {one.incoming.candidate.id for one in life.story.resolutions if one.entry}
    life.live(Step(0, "consent", {"action": action, "purpose": "*", "basis": None}))
    waiting = life.story.standing.waiting
    for step in happening:
        life.live(step)
    for one in life.end(30 * DAY) + life.story.resolutions:
        candidate = one.incoming.candidate
        if one.entry is not None and candidate.category != "code":
            assert candidate.id in released
    assert all(one.code != "no_consent" for one in waiting)


# never-above-a-cap


class Sent:
    """What was released, with the slots given back and taken again, kept apart from the code."""

    def __init__(self) -> None:
        self.sends: list[dict[str, Any]] = []
        self.recounted = False
        self.heard: dict[str, Any] | None = None

    def release(self, one: Resolution, now: int) -> dict[str, Any]:
        if one.decided_at == now:
            # What goes out at the moment of a bounce may have the slot that it gave back.
            self.told()
        candidate = one.incoming.candidate
        chosen = candidate.variants[one.verdict.variant]
        send = {
            "message": candidate.id,
            "at": one.decided_at,
            "category": candidate.category,
            "channel": chosen.channel,
            "topic": candidate.topic,
            "counts": candidate.category != "code",
            "failed": False,
        }
        self.sends.append(send)
        return send

    def told(self) -> None:
        data, self.heard = self.heard or {"message": None}, None
        for send in self.sends:
            if send["message"] != data["message"]:
                continue
            if data["kind"] in ("bounced", "failed") and not send.get("settled"):
                send |= {"failed": True, "settled": True}
            elif data["kind"] == "delivered" and send["failed"]:
                send["failed"] = False
                self.recounted = True

    def counted(self, cap: Cap, send: dict[str, Any], since: int) -> int:
        return sum(
            other["counts"]
            and not other["failed"]
            and other["at"] > since
            and all(
                named is None or other[key] in named
                for key, named in (
                    ("category", cap.match.category),
                    ("channel", cap.match.channel),
                    ("topic", cap.match.topic),
                )
            )
            and all(other[key] == send[key] for key in cap.per if key != "person")
            for other in self.sends
        )


def reaches_back(cap: Cap, release: Resolution, zone: str) -> int:
    assert cap.window is not None
    now = release.decided_at
    if cap.window.kind == "rolling":
        return now - cap.window.ms
    return calendar_window(ZoneInfo(zone), cap.window.kind, now)[0] - 1


def meant(caps: Iterable[Cap], send: dict[str, Any]) -> list[Cap]:
    return [
        cap
        for cap in caps
        if (cap.match.category is None or send["category"] in cap.match.category)
        and (cap.match.channel is None or send["channel"] in cap.match.channel)
        and (cap.match.topic is None or send["topic"] in cap.match.topic)
    ]


@given(
    st.lists(LIMITS, min_size=1, max_size=3),
    SECTIONS,
    steps(["candidate"] * 8 + ["feedback", "profile"], least=15, most=40),
)
def test_never_above_a_cap_in_any_window_that_ends_with_a_release(
    limits: list[dict[str, Any]], sections: dict[str, Any], happening: list[Step]
) -> None:
    capped = [{"id": f"c{number}", **cap} for number, cap in enumerate(limits)]
    fewer = {"caps": capped, "review": {}, "quiet_hours": sections["quiet_hours"][1:]}
    life = Life({**sections, **fewer})
    sent, zone = Sent(), "Europe/Berlin"
    for step in [*happening, Step(10 * DAY, "profile", {})]:
        sent.heard = step.data if step.kind == "feedback" else None
        for one in first_time(life.live(step)):
            if one.verdict.outcome is not Outcome.RELEASE:
                continue
            told_first = step.kind == "profile" and one.decided_at == life.now
            here = step.data.get("time_zone", "Europe/Berlin") if told_first else zone
            send = sent.release(one, life.now)
            if sent.recounted or not send["counts"]:
                continue
            for cap in meant(life.story.policy.caps, send):
                assert sent.counted(cap, send, reaches_back(cap, one, here)) <= (cap.limit or 0)
        sent.told()
        if step.kind == "profile":
            zone = step.data.get("time_zone", "Europe/Berlin")


# a-further-rule-never-releases

FURTHER: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "caps": CAPS,
    "quiet_hours": HOURS,
    "review": REVIEWS,
    "intrusiveness": st.fixed_dictionaries(
        {
            "ceiling": st.sampled_from([0, 5, 30]),
            "above": st.sampled_from(["defer", "review", "suppress"]),
        }
    ),
    "persuasion": st.just({"budget": {"limit": 0, "window": "24h"}}),
    "personal_data": st.just({"purpose": "personalisation", "free": 0}),
}
ADDED = st.sampled_from(sorted(FURTHER)).flatmap(
    lambda name: st.tuples(st.just(name), FURTHER[name])
)


def with_rule(sections: dict[str, Any], name: str, entry: dict[str, Any]) -> dict[str, Any]:
    if name == "review":
        review = sections["review"]
        return {
            **sections,
            "review": {**review, "rules": [*review["rules"], {"id": "more", **entry}]},
        }
    if name in ("caps", "quiet_hours"):
        return {**sections, name: [*sections[name], {"id": "more", **entry}]}
    return {**sections, name: entry}


@given(
    LIVES,
    ADDED,
    st.sampled_from(MESSAGES),
    st.lists(st.sampled_from(["email", "push", "sms"]), min_size=1, max_size=3),
    st.sampled_from([None, "shoes"]),
)
def test_a_further_rule_never_releases_what_would_not_go_without_it(
    life: tuple[dict[str, Any], list[Step]],
    added: tuple[str, dict[str, Any]],
    message: str,
    channels: list[str],
    topic: str | None,
) -> None:
    sections, happening = life
    played = Life(sections)
    for step in happening:
        played.live(step)
    variants = [
        {
            "id": f"v{number}",
            "channel": channel,
            "uses": [{"attribute": "name"}],
            "techniques": ["social_proof"],
        }
        for number, channel in enumerate(channels)
    ]
    data: dict[str, Any] = {"id": message, "person": PERSON, "campaign": "spring"}
    data |= {"category": "promotional", "created_at": "2026-05-04T12:00:00Z", "variants": variants}
    asked = ("candidate", data | ({"topic": topic} if topic else {}))
    case, now = played.story.case(played.now, asked)
    before = decide(case, now)
    played.story.policy = policy(**with_rule(sections, *added))
    case, now = played.story.case(played.now, asked)
    after = decide(case, now)
    assert after.outcome >= before.outcome
    early = decide(case, now, early=True)
    assert (early.outcome is Outcome.RELEASE) == (after.outcome is Outcome.RELEASE)


# one-verdict


@given(LIVES, st.lists(st.sampled_from([1, HOUR, 24 * HOUR]), min_size=1, max_size=3))
def test_one_verdict_is_never_changed_nor_counted_twice_by_redelivery(
    life: tuple[dict[str, Any], list[Step]], pauses: list[int]
) -> None:
    sections, happening = life
    played = Life({**sections, **LONG})
    for step in happening:
        played.live(step)
    story = played.story
    records = {data["id"]: (now, data) for now, data in reversed(list(played.candidates()))}
    for pause in pauses:
        played.end(pause)
        last = {one.incoming.candidate.id: one for one in story.resolutions}
        before = story.standing
        for message, (record, data) in records.items():
            incoming = arrived(story, record, ("candidate", data))
            story.take(Turn(PERSON, played.now, fresh=(incoming,)))
            again = story.resolutions[-1]
            assert (again.repeat, again.reconstructed) == (True, True)
            assert bare(again) == bare(last[message])
        kept = [replace(entry, settled=SENT) for entry in story.standing.log]
        assert kept == [replace(entry, settled=SENT) for entry in before.log]
        assert replace(story.standing, version=before.version, log=before.log) == before
    ids = [one.decision_id for one in first_time(story.resolutions)]
    assert len(ids) == len(set(ids))


@given(SECTIONS, steps(["candidate"] * 5 + ["consent", "control"]), st.data())
def test_one_verdict_holds_for_what_was_committed_and_not_published(
    sections: dict[str, Any], happening: list[Step], data: st.DataObject
) -> None:
    played = Life({**sections, **LONG})
    for step in happening:
        played.live(step)
    story = played.story
    crashes = 0
    while story.standing.waiting:
        due = min(one.wake_at for one in story.standing.waiting)
        crash = crashes < 5 and data.draw(st.booleans())
        crashes += crash
        before = len(story.resolutions)
        story.take(Turn(PERSON, due, due=True), publish=not crash)
        for one in story.resolutions[before:]:
            same = [other for other in story.resolutions if other.decision_id == one.decision_id]
            assert {bare_of(other) for other in same} == {bare_of(one)}
    decided = first_time(story.resolutions)
    finals = [one for one in decided if one.verdict.final]
    assert len(finals) == len({one.incoming.candidate.id for one in finals})
    for message in {one.incoming.candidate.id for one in decided}:
        attempts = [one.attempt for one in decided if one.incoming.candidate.id == message]
        assert attempts == list(range(1, len(attempts) + 1))


def bare_of(one: Resolution) -> tuple[Any, ...]:
    verdict = one.verdict
    return (
        verdict.outcome,
        verdict.variant,
        verdict.code,
        verdict.eligible_at,
        one.attempt,
        one.seq,
    )


# nothing-lost


@given(LIVES)
def test_nothing_lost_every_candidate_ends_in_exactly_one_final_verdict_or_is_refused(
    life: tuple[dict[str, Any], list[Step]],
) -> None:
    sections, happening = life
    played = Life({**sections, **LONG})
    story, known = played.story, set[str]()
    for step in happening:
        played.live(step)
        known = {data["id"] for _, data in played.candidates()}
        finals = [
            one.incoming.candidate.id for one in first_time(story.resolutions) if one.verdict.final
        ]
        waits = {one.message for one in story.standing.waiting}
        assert len(finals) == len(set(finals))
        refused = {name for name, _ in story.rejected}
        for message in known:
            assert (message in finals) + (name64(message) in waits) == 1 or message in refused
            assert message in finals or name64(message) in waits
    played.end(30 * DAY)
    finals = [
        one.incoming.candidate.id for one in first_time(story.resolutions) if one.verdict.final
    ]
    assert sorted(finals) == sorted(known)
    assert story.standing.waiting == ()


# explained


def again(life: Life, one: Finding, event: Event, moment: int) -> Finding:
    """Ask the rule of a finding again at another moment, on the standing as it is."""
    case, _ = life.story.case(life.now, event)
    variant = next(v for v in case.candidate.variants if v.id == one.variant)
    kind = kind_of(case.policy, case.candidate, variant)
    (same,) = [
        found
        for found in findings_of(case, kind, variant, moment)
        if (found.rule, found.id) == (one.rule, one.id)
    ]
    return same


@given(LIVES, st.sampled_from(MESSAGES))
def test_explained_every_verdict_carries_every_finding_with_its_limit_and_its_time(
    life: tuple[dict[str, Any], list[Step]], message: str
) -> None:
    sections, happening = life
    played = Life(sections)
    for step in happening:
        played.live(step)
    variants = [{"id": "v0", "channel": "push"}, {"id": "v1", "channel": "email"}]
    data: dict[str, Any] = {"id": f"new {message}", "person": PERSON, "campaign": "spring"}
    data["topic"] = "shoes"
    data |= {"category": "promotional", "created_at": "2026-05-04T12:00:00Z", "variants": variants}
    case, now = played.story.case(played.now, ("candidate", data))
    verdict = decide(case, now)
    for index, variant in enumerate(case.candidate.variants):
        mine = [one for one in verdict.findings if one.variant == variant.id]
        ids = [(one.rule, one.id) for one in mine]
        assert len(ids) == len(set(ids))
        expected = {("control", "stop"), ("control", "pause"), ("consent", "basis")}
        expected |= {("validity", "cancelled"), ("validity", "expires_at")}
        about = (case.candidate.category, case.candidate.campaign, variant.channel, "shoes")
        entries = [("caps", one.id, one.match) for one in case.policy.caps]
        entries += [("quiet_hours", one.id, one.match) for one in case.policy.quiet_hours]
        expected |= {(rule, id) for rule, id, match in entries if match.accepts(*about)}
        assert expected <= set(ids)
        for one in mine:
            assert (one.code is None) == (one.outcome is Outcome.RELEASE)
            if one.rule == "caps" and one.code in ("cap_reached", "min_gap"):
                assert one.limit is not None
                assert one.observed is not None
            if one.eligible_at is not None:
                assert one.eligible_at % 1000 == 0
                assert one.eligible_at > now
                later = again(played, one, ("candidate", data), one.eligible_at)
                sooner = again(played, one, ("candidate", data), one.eligible_at - 1000)
                assert later.outcome is Outcome.RELEASE
                assert sooner.outcome is not Outcome.RELEASE or one.eligible_at - 1000 < now
        if index == verdict.variant and verdict.outcome is not Outcome.RELEASE:
            assert verdict.code in {one.code for one in mine if one.enforced}
            stricter = [one for one in mine if one.enforced and one.outcome > verdict.outcome]
            assert not stricter


@given(LIVES)
def test_explained_a_time_that_is_named_is_one_at_which_the_message_would_pass(
    life: tuple[dict[str, Any], list[Step]],
) -> None:
    sections, happening = life
    played = Life(sections)
    for step in happening:
        played.live(step)
    for waiting in played.story.standing.waiting:
        if waiting.eligible_at is None or waiting.outcome is not Outcome.DEFER:
            continue
        if waiting.attempt == 0:  # it gathers, and names no time to anybody
            continue
        if any(entry.seq > waiting.seq for entry in played.story.standing.log):
            continue  # what was named holds for the standing as it was
        incoming = played.story.setting().open_body(PERSON, waiting)
        case, now = played.story.case(played.now, ("candidate", dict(incoming.raw)))
        passing = decide(case, waiting.eligible_at)
        assert passing.outcome in (Outcome.RELEASE, Outcome.REVIEW)
        if waiting.eligible_at - 1000 > now:
            early = decide(case, waiting.eligible_at - 1000)
            assert early.outcome not in (Outcome.RELEASE, Outcome.REVIEW)


# simulated-is-real


@given(LIVES)
def test_simulated_is_real_waking_at_each_moment_and_catching_up_later_decide_the_same(
    life: tuple[dict[str, Any], list[Step]],
) -> None:
    stepwise = lived(life)
    replayed = Life(life[0], consenting=False).story
    turns = [(now, [event]) for now, event in stepwise.events]
    for now, events in [*turns, (stepwise.now, [])]:
        replayed.catches_up(now, *events)
    assert [line(one) for one in replayed.resolutions] == [
        line(one) for one in stepwise.story.resolutions
    ]


def line(one: Resolution) -> tuple[Any, ...]:
    return (one.incoming.candidate.id, *bare_of(one)[:5], one.decided_at, one.repeat)

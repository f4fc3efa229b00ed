"""The sample day without broker and store: what should come of it, and that its checks can fail."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from governor.config import load_policy
from governor.core.instant import format_instant
from governor.demo.checks import Check, checked
from governor.demo.day import (
    Came,
    Day,
    Foretold,
    Gathering,
    candidates,
    foretell,
)
from governor.demo.hints import hints
from governor.demo.performance import POLICY
from governor.demo.script import Step
from governor.demo.sentences import Teller
from governor.demo.story import BEATS, KEY, PEOPLE
from governor.demo.terminal import Terminal
from governor.ledger.keys import Pseudonyms


@cache
def foretold() -> Foretold:
    return foretell(load_policy(POLICY), BEATS)


def the_day() -> Day:
    """Return the day as it should be: every decision, what is sent of it, and the dead letters."""
    day = Day()
    for decision in foretold().decisions.values():
        day.decide(msgspec.json.encode(decision))
        if decision["outcome"] == "release":
            sent = {"id": decision["message"], "decision": decision["id"]}
            day.release(msgspec.json.encode(sent))
    for step in candidates(BEATS):
        if step.refused:
            day.bury(step.value, str(step.expected))
        if step.gathers:
            names = Pseudonyms(KEY)
            day.gather(Gathering(names.of(step.data["person"]), step.data["id"]))
    for number, (at, step) in enumerate(handed_over()):
        handover = {
            "id": f"h-{number}",
            "person": step.data["person"],
            "why": step.hands_over,
            "since": format_instant(at),
            "message": "spring-sale-hugo",
        }
        day.hand_over(msgspec.json.encode(handover))
    return day


def handed_over() -> list[tuple[int, Step]]:
    return [(beat.at, step) for beat in BEATS for step in beat.steps if step.hands_over]


def counts(day: Day) -> dict[str, float]:
    return {
        "governor_decisions_total": len(day.decisions),
        "governor_repeats_total": len(day.repeats),
        "governor_dead_letters_total": len(day.letters),
        "governor_handovers_total": len(day.handovers),
        "governor_resubmissions_total": 1,
    }


def kept(day: Day) -> list[bool]:
    return [check.kept for check in checked(day, foretold(), BEATS, counts(day))]


def test_the_policy_of_the_day_makes_of_it_what_the_story_says() -> None:
    day = the_day()
    flaws = [flaw for each in checked(day, foretold(), BEATS, counts(day)) for flaw in each.flaws]
    assert not flaws


def test_the_day_shows_every_outcome_and_every_rule() -> None:
    decisions = foretold().decisions.values()
    outcomes = {one["outcome"] for one in decisions}
    rules = {finding["rule"] for one in decisions for finding in one["findings"]}
    assert outcomes == {"release", "defer", "review", "suppress"}
    assert rules == {
        "arbitration",
        "caps",
        "consent",
        "control",
        "human_touch",
        "intrusiveness",
        "oversight",
        "persuasion",
        "purpose",
        "quiet_hours",
        "validity",
    }


def lose_a_decision(day: Day) -> None:
    day.decisions.pop(next(id for id, one in day.decisions.items() if one["final"]))


def change_a_verdict(day: Day) -> None:
    one = next(one for one in day.decisions.values() if one["code"] == "no_consent")
    one.update(outcome="release", code=None)


def change_when_it_may_go(day: Day) -> None:
    next(one for one in day.decisions.values() if one["eligible_at"])["eligible_at"] = None


def decide_twice(day: Day) -> None:
    one = next(one for one in day.decisions.values() if one["final"])
    day.decisions["again"] = {**deepcopy(one), "id": "again"}


def lose_a_release(day: Day) -> None:
    day.released.popitem()


def send_what_is_not_released(day: Day) -> None:
    day.released["spring-sale-greta"] = [{"id": "spring-sale-greta", "decision": "d-none"}]


def garble_a_dead_letter(day: Day) -> None:
    day.letters[0] = msgspec.structs.replace(day.letters[0], value=b"other bytes")


def send_one_more_promotion(day: Day) -> None:
    one = next(one for one in day.decisions.values() if one["message"] == "free-socks-anna")
    one.update(outcome="release")


def send_three_that_matter_little(day: Day) -> None:
    one = next(one for one in day.decisions.values() if one["message"] == "trail-shoes-kenji")
    one.update(message="trail-shoes-kenji-2")


def decide_before_the_window_closes(day: Day) -> None:
    one = next(one for one in day.decisions.values() if one["message"] == "wool-socks-paula")
    one.update(decided_at="2026-05-08T10:32:00Z")


def let_nothing_gather(day: Day) -> None:
    day.gathered.clear()


def hand_over_nobody(day: Day) -> None:
    day.handovers.clear()


def hand_over_twice(day: Day) -> None:
    day.handovers["h-again"] = next(iter(day.handovers.values()))


def hand_over_another(day: Day) -> None:
    id, one = next(iter(day.handovers.items()))
    day.handovers[id] = msgspec.structs.replace(one, person="anna")


STORY, FORESIGHT, FINAL, SENT, CAPPED, GATHERED, HANDED, MEASURED = range(8)


@pytest.mark.parametrize(
    ("disturb", "broken"),
    [
        (lose_a_decision, {STORY, FORESIGHT, FINAL, SENT}),
        (change_a_verdict, {STORY, FORESIGHT, SENT}),
        (change_when_it_may_go, {FORESIGHT}),
        (decide_twice, {STORY, FORESIGHT, FINAL, SENT}),
        (lose_a_release, {SENT}),
        (send_what_is_not_released, {SENT}),
        (garble_a_dead_letter, {FINAL}),
        (send_one_more_promotion, {STORY, FORESIGHT, SENT, CAPPED}),
        (send_three_that_matter_little, {STORY, FORESIGHT, FINAL, SENT, CAPPED}),
        (decide_before_the_window_closes, {FORESIGHT, GATHERED}),
        (let_nothing_gather, {GATHERED}),
        (hand_over_nobody, {HANDED}),
        (hand_over_twice, {HANDED}),
        (hand_over_another, {HANDED}),
    ],
)
def test_what_goes_wrong_is_noticed(disturb: Callable[[Day], None], broken: set[int]) -> None:
    day = the_day()
    disturb(day)
    assert {number for number, fine in enumerate(kept(day)) if not fine} == broken


def test_a_worker_that_counts_otherwise_is_noticed() -> None:
    day = the_day()
    miscounted = {**counts(day), "governor_decisions_total": 1.0}
    checks = checked(day, foretold(), BEATS, miscounted)
    assert [check.flaws for check in checks if not check.kept] == [
        [f"governor_decisions_total: is 1, and {len(day.decisions)} came"]
    ]


def test_a_content_that_is_said_again_unnoticed_is_noticed() -> None:
    day = the_day()
    checks = checked(day, foretold(), BEATS, {**counts(day), "governor_resubmissions_total": 0})
    assert not checks[MEASURED].kept


def test_the_day_shows_what_each_section_of_the_policy_is_for() -> None:
    codes = {one["code"] for one in foretold().decisions.values()}
    codes |= {
        finding["code"] for one in foretold().decisions.values() for finding in one["findings"]
    }
    assert codes >= {
        "false_urgency",
        "household_cap",
        "needs_human",
        "outranked",
        "pressure_budget",
        "vulnerable",
    }
    assert foretold().handovers == {"complained": 1, "messages": 1}
    assert foretold().resubmissions == 1


def test_what_gathers_has_no_decision_before_its_window_closes() -> None:
    gathering = [step.data["id"] for step in candidates(BEATS) if step.gathers]
    decided = [one for one in foretold().decisions.values() if one["message"] in gathering]
    assert len(gathering) == len(decided) == 2
    assert {one["decided_at"] for one in decided} == {"2026-05-08T10:35:00.000Z"}


def test_the_slot_that_is_kept_goes_to_what_matters_more() -> None:
    [shoes] = [
        one for one in foretold().decisions.values() if one["message"] == "trail-shoes-kenji"
    ]
    [slots] = [
        (finding["observed"], finding["limit"])
        for finding in shoes["findings"]
        if finding["id"] == "promo-per-day" and finding["variant"] == "plain"
    ]
    assert slots == (2, 3)


def test_every_decision_is_told_with_its_reason() -> None:
    teller = Teller(PEOPLE)
    rows = [(one, teller.row(one)) for one in foretold().decisions.values()]
    assert all(row.why for one, row in rows if one["outcome"] != "release")
    said = {one["message"]: row.why for one, row in reversed(rows)}
    assert said["spring-sale-dave"] == (
        "outside the hours that are allowed where the person is (02:30 in New York);"
        " waits until 12:00"
    )
    assert said["weekend-boots-anna"] == (
        "not by push: the last message was 40 min ago; at least 4 h must lie between"
    )
    assert (
        said["free-socks-anna"]
        == "promo-per-day: 2 of 2 are used up in 24h; waits until Saturday 08:30"
    )


@pytest.mark.parametrize("columns", ["80", "140"])
def test_the_view_for_people_tells_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    day, view = the_day(), Terminal(PEOPLE, pace=0)
    view.waits("something starts")
    view.introduces(PEOPLE)
    for beat in BEATS:
        view.beat(beat)
    gathering = Gathering(Pseudonyms(KEY).of("paula"), "sandals-paula")
    everything: list[Came] = [
        gathering,
        *day.decisions.values(),
        *day.letters,
        *day.handovers.values(),
    ]
    for came in everything:
        view.came(came, day)
        view.pause(day)
    view.ends(day, [Check("a promise", ["what breaks it"])])
    view.close()
    shown = capsys.readouterr().out
    assert "Kenji (Tokyo)" in shown
    assert shown.count("released") > len(day.released)
    for words in (
        "Lena pulls the kill switch",
        "a promise",
        "what breaks it",
        "half-a-message",
        "gathers",
        "outreach.handovers",
        "2 people handed over to a human",
    ):
        assert words in shown


def test_what_to_do_next_can_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings: dict[str, Any] = dict.fromkeys(
        ("GOVERNOR_METRICS", "GOVERNOR_BROKERS", "GOVERNOR_REDIS"), "127.0.0.1:1"
    )
    commands = [line for _, lines in hints(tmp_path, settings) for line in lines]
    assert any(f"explain spring-sale-dave --decisions {tmp_path}" in line for line in commands)
    assert "curl http://127.0.0.1:1/health/ready" in commands

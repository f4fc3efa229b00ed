"""The simulation: what is played when, what is put aside, and where it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from governor.core.policy import Policy
from governor.simulate import EventsInvalid, read_events
from tests.core.story import Event, policy
from tests.service.arriving import CAP, NIGHTS, asked, said, steered
from tests.simulate.events import Line, Played, event

GRANT = event("00:00", said("grant"))


def play(
    folder: Path,
    *events: tuple[str, Event],
    until: str | None = None,
    rules: Policy | None = None,
    **sections: Any,
) -> Played:
    recorded = [GRANT, *(event(when, happening) for when, happening in events)]
    return Played(rules or policy(**sections), recorded, folder, until)


# Order.


def test_at_one_instant_facts_come_first_then_what_is_due_then_candidates_as_they_came(
    tmp_path: Path,
) -> None:
    cap = {**CAP, "limit": 2}
    played = play(
        tmp_path,
        ("03:00", asked("waits", priority=0)),
        ("06:00", asked("x", priority=10)),
        ("06:00", asked("y", priority=90)),
        ("06:00", asked("z", category="news")),
        ("06:00", said("object", when="06:00", purpose="news")),
        caps=[cap],
        quiet_hours=[NIGHTS],
    )
    assert played.words() == [
        "03:00 waits defer quiet_hours",
        "06:00 waits release",
        "06:00 x release",
        "06:00 y suppress cap_reached",
        "06:00 z suppress objected",
    ]


def test_what_falls_due_between_two_events_is_judged_at_its_own_time(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        ("03:00", asked("a")),
        ("04:00", asked("b", not_before="2026-05-05T07:00:00Z")),
        ("12:00", steered("stop")),
        quiet_hours=[NIGHTS],
    )
    assert played.words()[2:] == ["06:00 a release", "07:00 b release"]


def test_decisions_are_written_in_the_order_of_their_time(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        *((f"0{hour}:00", asked(f"m{hour}")) for hour in range(1, 9)),
        quiet_hours=[NIGHTS],
        caps=[{"id": "c", "limit": 1, "window": "1h"}],
    )
    times = [line["decided_at"] for line in played.decisions]
    assert times == sorted(times)
    assert {line["message"] for line in played.decisions if line["final"]} == {
        f"m{hour}" for hour in range(1, 9)
    }


def test_a_pause_and_a_resume_at_one_instant_publish_nothing_between(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        ("09:00", steered("pause")),
        ("09:30", asked("a")),
        ("10:00", steered("resume")),
        ("10:00", steered("pause")),
        ("11:00", steered("resume")),
    )
    assert played.words() == ["09:30 a defer paused_campaign", "11:00 a release"]


# Repeats.


def test_a_repeat_writes_no_second_line_for_the_whole_run(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        ("03:00", asked("a")),
        ("03:30", asked("a")),
        ("10:00", asked("a")),
        ("2026-11-30T10:00", asked("a")),
        quiet_hours=[NIGHTS],
    )
    assert played.words() == ["03:00 a defer quiet_hours", "06:00 a release"]
    assert (played.summary.repeats, played.summary.candidates) == (3, 4)


def test_another_content_under_a_known_id_goes_to_the_dead_letters(tmp_path: Path) -> None:
    played = play(tmp_path, ("10:00", asked("a")), ("11:00", asked("a", payload=1)))
    assert played.words() == ["10:00 a release"]
    (letter,) = played.letters
    assert (letter["reason"], letter["data"]["payload"]) == ("conflicting_id", 1)
    assert letter["detail"] == "id: is known with other content"
    assert letter["at"] == "2026-05-05T11:00:00.000Z"


# What is put aside.


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("candidate", {"id": "a"}, "invalid"),
        ("candidate", asked("a", category="unheard-of")[1], "unknown_category"),
        ("candidate", asked("a", channel="pigeon")[1], "unknown_channel"),
        ("candidate", asked("a", created_at="2026-05-05T10:05:00.001Z")[1], "future_time"),
        ("consent", {**said("grant")[1], "at": "2026-05-05T10:05:01Z"}, "future_time"),
        ("consent", {**said("grant")[1], "purpose": "*"}, "invalid"),
        ("control", {**steered("resume")[1], "at": "2026-05-05T11:00:00Z"}, "future_time"),
        ("control", {**steered("stop")[1], "scope": {"campain": "x"}}, "invalid"),
        ("profile", {"person": 1}, "invalid"),
        ("gossip", {}, "invalid"),
        (None, {}, "invalid"),
        ("candidate", None, "undecodable"),
        ("candidate", ["a"], "undecodable"),
    ],
)
def test_what_cannot_be_used_is_put_aside_and_counted_and_the_run_goes_on(
    kind: str | None, data: Any, reason: str, tmp_path: Path
) -> None:
    odd: Line = {"at": "2026-05-05T10:00:00Z", "type": kind, "data": data}
    played = Played(policy(), [GRANT, odd, event("11:00", asked("b"))], tmp_path)
    assert played.words() == ["11:00 b release"]
    (letter,) = played.letters
    assert (letter["reason"], letter["data"]) == (reason, data)
    assert played.summary.rejected == {reason: 1}
    assert played.summary.events == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "is no JSON"),
        ("{", "is no JSON"),
        ("[1]", "is no JSON object"),
        ('"text"', "is no JSON object"),
        ('{"type": "candidate", "data": {}}', "`at` is missing"),
        ('{"at": "yesterday", "type": "candidate", "data": {}}', "is no time with a zone"),
        ('{"at": 7, "type": "candidate", "data": {}}', "must be a time as text"),
        ('{"at": "2026-05-04T23:59:59.999Z", "type": "profile", "data": {}}', "goes back in time"),
    ],
)
def test_a_line_that_cannot_be_played_ends_the_run_with_its_number(
    line: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f"{json.dumps(GRANT)}\n\n{line}\n")
    with pytest.raises(EventsInvalid, match=words) as refused:
        list(read_events(path))
    assert str(refused.value).startswith(f"{path}:3: ")


def test_empty_lines_and_a_missing_last_line_end_are_fine(tmp_path: Path) -> None:
    text = f"\n{json.dumps(GRANT)}\n  \n{json.dumps(event('10:00', asked('a')))}"
    assert Played(policy(), text, tmp_path).words() == ["10:00 a release"]


def test_events_of_one_moment_written_in_different_zones_are_in_order(tmp_path: Path) -> None:
    first, second = event("10:00", asked("a")), event("10:00", asked("b"))
    first["at"] = "2026-05-05T12:00:00+02:00"
    assert Played(policy(), [GRANT, first, second], tmp_path).words() == [
        "10:00 a release",
        "10:00 b release",
    ]


# Where it ends.


def test_nothing_at_all_ends_at_once(tmp_path: Path) -> None:
    played = Played(policy(), "", tmp_path)
    assert (played.decisions, played.summary.until, played.summary.waiting) == ([], None, [])


@pytest.mark.parametrize(("day", "played_on"), [("12T10:00:00", True), ("12T10:00:01", False)])
def test_time_runs_on_while_something_is_due_within_seven_days(
    day: str, *, played_on: bool, tmp_path: Path
) -> None:
    limits = {"not_before": f"2026-05-{day}Z", "expires_at": "2026-06-30T00:00:00Z"}
    played = play(tmp_path, ("10:00", asked("a", **limits)))
    if played_on:
        assert played.words()[1:] == ["12T10:00 a release"]
        assert played.summary.waiting == []
    else:
        assert played.words() == ["10:00 a defer not_yet"]
        assert played.summary.waiting == [("p-1", "a", "defer")]
        assert played.summary.until == "2026-05-05T10:00:00.000Z"


def test_each_moment_that_is_judged_gives_it_seven_more_days(tmp_path: Path) -> None:
    steps = {
        f"m{number}": {
            "not_before": f"2026-05-{5 + 6 * number:02}T10:00:00Z",
            "expires_at": "2026-06-30T00:00:00Z",
        }
        for number in range(1, 5)
    }
    played = play(tmp_path, *(("10:00", asked(name, **limits)) for name, limits in steps.items()))
    assert played.words()[4:] == [
        "11T10:00 m1 release",
        "17T10:00 m2 release",
        "23T10:00 m3 release",
        "29T10:00 m4 release",
    ]


@pytest.mark.parametrize(
    ("until", "said_then"),
    [("05:59:59.999", []), ("06:00", ["06:00 a release"]), ("07:00", ["06:00 a release"])],
)
def test_until_is_inclusive_and_later_events_are_not_played(
    until: str, said_then: list[str], tmp_path: Path
) -> None:
    played = play(
        tmp_path,
        ("03:00", asked("a")),
        ("07:00:00.001", asked("b")),
        until=until,
        quiet_hours=[NIGHTS],
    )
    assert played.words()[1:] == said_then
    assert played.summary.waiting == ([] if said_then else [("p-1", "a", "defer")])
    assert played.summary.candidates == 1


def test_an_event_at_until_itself_is_played(tmp_path: Path) -> None:
    played = play(tmp_path, ("10:00", asked("a")), ("10:00:00.001", asked("b")), until="10:00")
    assert played.words() == ["10:00 a release"]


def test_until_may_lie_long_after_the_last_event(tmp_path: Path) -> None:
    limits = {"not_before": "2026-06-20T10:00:00Z", "expires_at": "2026-06-30T00:00:00Z"}
    played = play(tmp_path, ("10:00", asked("a", **limits)), until="2026-06-20T10:00")
    assert played.words()[1:] == ["2026-06-20T10:00 a release"]


# Arbitration.


def test_what_gathers_writes_no_line_before_its_window_closes(tmp_path: Path) -> None:
    urgent = event("10:02", asked("now")) | {"urgent": True}
    recorded = [
        GRANT,
        event("10:00", asked("low", priority=1)),
        event("10:01", asked("high", priority=99)),
        urgent,
        event("10:03", asked("high", priority=99)),
    ]
    rules = policy(caps=[{**CAP, "limit": 2}], arbitration={"window": "5m", "losers": "suppress"})
    played = Played(rules, recorded, tmp_path)
    assert played.words() == [
        "10:02 now release",
        "10:05 high release",
        "10:05 low suppress cap_reached",
    ]
    assert [line["attempt"] for line in played.decisions] == [1, 1, 1]
    summary = played.summary
    assert (summary.decisions, summary.repeats, summary.codes["released"]) == (3, 1, 2)


def test_what_still_gathers_at_the_end_is_listed_as_waiting(tmp_path: Path) -> None:
    window = {"window": "5m"}
    played = play(tmp_path, ("10:00", asked("a")), until="10:04", arbitration=window)
    assert (played.decisions, played.summary.waiting) == ([], [("p-1", "a", "defer")])


# The summary.


def test_the_summary_counts_what_came_and_what_became_of_it(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        ("03:00", asked("a")),
        ("10:00", asked("b")),
        ("10:01", asked("c")),
        ("10:02", asked("c")),
        ("10:03", asked("d", category="unheard-of")),
        ("10:04", steered("pause")),
        ("10:05", asked("e", person="p-2", category="news")),
        until="11:00",
        quiet_hours=[NIGHTS],
        caps=[{**CAP, "limit": 2}],
    )
    summary = played.summary
    assert (summary.events, summary.candidates, summary.decisions) == (8, 5, 5)
    assert (summary.released, summary.suppressed, summary.repeats) == (2, 1, 1)
    assert summary.codes == {
        "quiet_hours": 1,
        "released": 2,
        "cap_reached": 1,
        "paused_campaign": 1,
    }
    assert summary.rejected == {"unknown_category": 1}
    assert summary.waiting == [("p-2", "e", "defer")]
    assert summary.until == "2026-05-05T10:05:00.000Z"


def test_a_decision_carries_all_that_the_contract_names(tmp_path: Path) -> None:
    (line,) = play(tmp_path, ("10:00", asked("a", topic="shoes")), caps=[CAP]).decisions
    named = "id message person campaign category topic outcome final variant channel code "
    named += "eligible_at attempt seq decided_at policy mode findings intrusiveness entry"
    assert set(named.split()) <= set(line)
    assert (line["person"], line["outcome"], line["final"], line["seq"]) == (
        "p-1",
        "release",
        True,
        2,
    )
    finding = next(one for one in line["findings"] if one["id"] == "c")
    assert finding == {
        "rule": "caps",
        "id": "c",
        "variant": "only",
        "outcome": "release",
        "enforced": True,
        "code": None,
        "limit": 1,
        "observed": 0,
        "window": "24h",
        "eligible_at": None,
    }


def test_explained_every_line_carries_the_findings_of_every_variant(tmp_path: Path) -> None:
    variants = [{"id": "loud", "channel": "push"}, {"id": "quiet", "channel": "email"}]
    played = play(tmp_path, ("03:00", asked("a", variants=variants)), quiet_hours=[NIGHTS])
    for line in played.decisions:
        rules = {(one["variant"], one["rule"]) for one in line["findings"]}
        for variant in ("loud", "quiet"):
            for rule in ("control", "validity", "consent", "quiet_hours"):
                assert (variant, rule) in rules


def test_the_same_events_give_the_same_lines_to_the_byte(tmp_path: Path) -> None:
    events = [
        ("03:00", asked("a")),
        ("10:00", asked("b")),
        ("11:00", said("withdraw", when="11:00")),
    ]
    first = play(tmp_path, *events, quiet_hours=[NIGHTS], caps=[CAP]).decisions
    assert play(tmp_path, *events, quiet_hours=[NIGHTS], caps=[CAP]).decisions == first


def test_nothing_is_forgotten_however_long_the_run(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        ("10:00", asked("a")),
        ("2026-05-30T10:00", asked("b")),
        caps=[{**CAP, "window": "30d"}],
        retention={"verdicts": "1h", "history": "30d"},
    )
    assert played.words() == ["10:00 a release", "30T10:00 b suppress cap_reached"]


def test_a_moment_at_the_end_of_the_calendar_ends_no_run(tmp_path: Path) -> None:
    for_ever = "9999-12-31T23:59:59.999Z"
    paused: Event = ("consent", {**said("pause")[1], "until": for_ever})
    played = play(
        tmp_path,
        ("10:00", asked("a", expires_at=for_ever, not_before="9998-01-01T00:00:00Z")),
        ("10:00", asked("b", expires_at=for_ever)),
        ("11:00", paused),
        ("12:00", asked("c")),
        quiet_hours=[NIGHTS],
    )
    assert played.words()[-1].split()[:2] == ["12:00", "c"]

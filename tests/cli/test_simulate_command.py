"""`simulate` hands events to the gate and decisions to the reader, and compares two policies."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from governor.ledger.keys import Pseudonyms
from tests.cli.commands import MAP, POLICY, events, governor, lines, written

DAY = "2026-05-05"
GRANT: tuple[str, str, dict[str, object]] = (f"{DAY}T09:00:00Z", "consent", {})
KEY = bytes(range(32))


def played(*more: str | Path) -> list[dict[str, object]]:
    written("p.yaml", POLICY)
    result = governor("simulate", "--policy", "p.yaml", "--events", "events.jsonl", *more)
    assert result.exit_code == 0, result.stderr
    return lines(result.stdout)


def test_decisions_go_to_standard_output_and_the_summary_to_standard_error() -> None:
    events(GRANT, (f"{DAY}T10:00:00Z", "candidate", {}), (f"{DAY}T11:00:00Z", "candidate", {}))
    written("p.yaml", POLICY)
    result = governor("simulate", "--policy", "p.yaml", "--events", "events.jsonl")
    assert [(one["outcome"], one["person"]) for one in lines(result.stdout)] == [
        ("release", "p-1"),
        ("suppress", "p-1"),
    ]
    assert "released 1, suppressed 1, waiting 0" in result.stderr
    assert "why not: cap_reached 1" in result.stderr


def test_decisions_go_to_a_file_and_the_summary_comes_as_json() -> None:
    events(GRANT, (f"{DAY}T10:00:00Z", "candidate", {}))
    written("p.yaml", POLICY)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl", "--json"]
    result = governor("simulate", *arguments)
    assert result.stdout == ""
    assert len(lines(Path("d.jsonl").read_bytes())) == 1
    assert json.loads(result.stderr)["released"] == 1


def test_what_is_refused_goes_to_the_dead_letters_and_the_run_goes_on() -> None:
    events(
        GRANT,
        (f"{DAY}T10:00:00Z", "candidate", {"category": "spam"}),
        (f"{DAY}T10:00:00Z", "candidate", {}),
    )
    assert len(played("--dead-letters", "dead.jsonl")) == 1
    [letter] = lines(Path("dead.jsonl").read_bytes())
    assert letter["reason"] == "unknown_category"


def test_until_is_the_last_moment_and_what_waits_then_is_listed() -> None:
    events(GRANT, (f"{DAY}T22:00:00Z", "candidate", {}))
    written("p.yaml", POLICY)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--until"]
    early = governor("simulate", *arguments, "2026-05-06T07:59:59Z")
    assert [one["outcome"] for one in lines(early.stdout)] == ["defer"]
    assert "waits: m-2 of p-1 (defer)" in early.stderr
    late = governor("simulate", *arguments, "2026-05-06T08:00:00Z")
    assert [one["outcome"] for one in lines(late.stdout)] == ["defer", "release"]


def test_texts_say_in_each_finding_what_it_means() -> None:
    events(GRANT, (f"{DAY}T22:00:00Z", "candidate", {}))
    [first, *_] = played("--texts")
    findings = first["findings"]
    assert isinstance(findings, list)
    assert all(finding["text"] for finding in findings)
    [hours] = [one for one in findings if one["code"] == "quiet_hours"]
    assert "outside the hours" in hours["text"]
    assert "2026-05-06T08:00:00Z" in hours["text"]
    assert "text" not in played()[0]["findings"][0]  # type: ignore[index]


def test_people_get_pseudonyms_where_a_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    events(GRANT, (f"{DAY}T10:00:00Z", "candidate", {}))
    monkeypatch.setenv("GOVERNOR_PSEUDONYM_KEY", base64.b64encode(KEY).decode())
    assert played()[0]["person"] == Pseudonyms(KEY).of("p-1")


def test_a_line_that_goes_back_in_time_ends_the_run_with_its_number() -> None:
    events(GRANT, (f"{DAY}T08:00:00Z", "candidate", {}))
    written("p.yaml", POLICY)
    result = governor("simulate", "--policy", "p.yaml", "--events", "events.jsonl")
    assert result.exit_code == 3
    assert result.stderr.startswith("events.jsonl:2: goes back in time")


def test_a_log_with_its_map_is_played_as_the_events_that_convert_makes_of_it() -> None:
    written("map.yaml", MAP + "assume: {consent: {purpose: marketing, basis: consent, before: 1d}}")
    rows = ["who,at,what", *(f"p-{n % 2},{DAY} 1{n}:00:00,sent" for n in range(8))]
    written("log.csv", "\n".join(rows) + "\n")
    assert (
        governor(
            "convert", "--log", "log.csv", "--map", "map.yaml", "--out", "events.jsonl"
        ).exit_code
        == 0
    )
    written("p.yaml", POLICY)
    direct = governor("simulate", "--policy", "p.yaml", "--log", "log.csv", "--map", "map.yaml")
    assert direct.exit_code == 0
    assert lines(direct.stdout) == played()
    assert sum(one["outcome"] == "release" for one in lines(direct.stdout)) == 2


def test_two_policies_that_agree_differ_in_nothing() -> None:
    events(GRANT, (f"{DAY}T10:00:00Z", "candidate", {}))
    written("p.yaml", POLICY)
    written("q.yaml", POLICY.replace("one-per-day", "once-a-day"))
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--compare", "q.yaml"]
    result = governor("simulate", *arguments, "--out", "d.jsonl")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert len(lines(Path("d.jsonl").read_bytes())) == 1


def test_two_policies_are_told_apart_message_by_message_with_exit_code_1() -> None:
    events(
        GRANT,
        (f"{DAY}T10:00:00Z", "candidate", {}),
        (f"{DAY}T11:00:00Z", "candidate", {}),
        (f"{DAY}T20:30:00Z", "candidate", {}),
    )
    written("p.yaml", POLICY)
    written("q.yaml", POLICY.replace("limit: 1", "limit: 9").replace("21:00", "20:00"))
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--compare", "q.yaml"]
    result = governor("simulate", *arguments)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "m-3 of p-1: suppress cap_reached -> release only by email at 2026-05-05T11:00:00.000Z",
        "m-4 of p-1: suppress cap_reached -> release only by email at 2026-05-06T08:00:00.000Z",
    ]
    assert result.stderr.splitlines()[-1] == "2 messages of 3 end differently"
    found = json.loads(governor("simulate", *arguments, "--json").stdout)
    assert found["messages"] == 3
    assert [one["message"] for one in found["differing"]] == ["m-3", "m-4"]

"""What `--report` does around the page: two policies, rules in shadow, and what it refuses."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zlib
from collections import Counter
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tests.cli.commands import events, governor, lines, shared, written
from tests.report.recordings import POLICY, Ended, Page, number, record

DAY = "2026-05-05"
CONFIG = Path(__file__).parents[2] / "config" / "email-log"
PLAIN = "\n".join(line for line in POLICY.splitlines() if "intrusiveness: {" not in line) + "\n"


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(path: str) -> Page:
    return Page(Path(path).read_text(encoding="utf-8"))


def test_without_a_ceiling_the_page_says_so_and_how_to_get_the_curve() -> None:
    record(Path("events.jsonl"))
    written("p.yaml", PLAIN)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    result = governor("simulate", *arguments, "--report", "r.html")
    assert result.exit_code == 0
    assert "ceilings:" not in result.stderr
    text = read("r.html").text
    assert "There is no ceiling to move: no policy here has a section `intrusiveness`." in text


def test_two_policies_are_set_side_by_side_as_compare_counts_them() -> None:
    recorded = record(Path("events.jsonl"))
    written("p.yaml", PLAIN)
    written("q.yaml", PLAIN.replace("limit: 2,", "limit: 1,").replace("21:00", "19:00"))
    for name in "pq":
        arguments = ["--policy", f"{name}.yaml", "--events", "events.jsonl"]
        assert governor("simulate", *arguments, "--out", f"{name}.jsonl").exit_code == 0
    arguments = ["--policy", "p.yaml", "--compare", "q.yaml", "--events", "events.jsonl"]
    result = governor("simulate", *arguments, "--report", "r.html")
    assert result.exit_code == 1
    page = read("r.html")
    differing, whole = result.stderr.splitlines()[-1].split()[0], number("480")
    assert f"messages {differing} end differently under q.yaml" in page.text
    pair = [Ended(Path(f"{name}.jsonl"), recorded) for name in "pq"]
    numbers = {row[0]: row[1:3] for row in page.rows("What both came to")}
    for end in ("released", "released later", "suppressed"):
        assert [number(cell) for cell in numbers[end.capitalize()]] == [
            len(one.messages(end)) for one in pair
        ]
    assert [number(cell) for cell in numbers["Opens on messages that go out"]] == [
        one.kept("opened")[0] for one in pair
    ]
    moves = Counter(f"{pair[0].end(one)}, then {pair[1].end(one)}" for one in pair[0].of)
    rows = {row[0]: number(row[1]) for row in page.rows("Which messages change")}
    assert sum(rows.values()) == number(differing) < whole * 2
    changed = {move: many for move, many in rows.items() if ", then " in move}
    assert changed == {move: many for move, many in moves.items() if move in changed}
    assert changed


TWO_CAPS = """\
version: 1
categories:
  promotional: {purpose: marketing, basis: [consent]}
caps:
  - {id: waits, limit: 1, window: 3h}
  - {id: drops, limit: 1, window: 24h, at_cap: suppress}
"""

SHADOWS = """\
version: 1
defaults: {time_zone: UTC}
categories:
  promotional:
    purpose: marketing
    basis: [consent]
caps: [{id: one, limit: 1, window: 24h}]
quiet_hours: [{id: never, allow: {mon-sun: none}, outside: suppress}]
intrusiveness: {ceiling: 1}
personal_data: {free: 0}
persuasion: {budget: {limit: 0, window: 7d}, vulnerable: [debt]}
review: {rules: [{id: all, when: {category: promotional}}]}
modes:
  caps: shadow
  quiet_hours: shadow
  intrusiveness: shadow
  purpose: shadow
  persuasion: shadow
  oversight: shadow
"""


def test_every_rule_in_shadow_is_listed_with_what_it_would_have_done() -> None:
    message = {"techniques": ["scarcity"], "uses": [{"attribute": "name"}]}
    several = {"channel": None, "variants": [{"id": "v", "channel": "email", **message}]}
    path = events(
        (f"{DAY}T09:00:00Z", "profile", {"vulnerabilities": ["debt"]}),
        (f"{DAY}T09:00:00Z", "consent", {}),
        (f"{DAY}T10:00:00Z", "candidate", several),
        (f"{DAY}T11:00:00Z", "candidate", several),
    )
    path.write_text(path.read_text().replace('"channel": null, ', ""))
    written("p.yaml", SHADOWS)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    result = governor("simulate", *arguments, "--report", "r.html")
    assert result.exit_code == 0, result.stderr
    assert [one["outcome"] for one in lines(Path("d.jsonl").read_bytes())] == ["release"] * 2
    page = read("r.html")
    rows = {row[0].split()[0]: row for row in page.rows("Rules that were only watched")}
    assert set(rows) == {
        "caps",
        "intrusiveness",
        "oversight",
        "persuasion",
        "purpose",
        "quiet_hours",
    }
    assert rows["caps"][2:] == ["2", "1", "1", "0", "1"]
    assert rows["quiet_hours"][2:] == ["2", "2", "2", "2", "0"]
    assert rows["oversight"][2:] == ["2", "2", "2", "0", "2"]
    # The row of ceilings enforces what the policy only watches.
    assert [row[4] for row in page.rows("Each ceiling")] == ["1", "0"]


def test_of_two_caps_the_one_that_suppressed_is_named() -> None:
    events(
        (f"{DAY}T09:00:00Z", "consent", {}),
        *((f"{DAY}T1{hour}:00:00Z", "candidate", {}) for hour in range(3)),
    )
    written("p.yaml", TWO_CAPS)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    assert governor("simulate", *arguments, "--report", "r.html").exit_code == 0
    rows = read("r.html").rows("What held messages back")
    assert [row[:1] + row[2:] for row in rows] == [["caps drops (cap_reached)", "2", "0", "0"]]


def test_an_empty_recording_makes_a_page_too() -> None:
    written("events.jsonl", "")
    written("p.yaml", POLICY)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    assert governor("simulate", *arguments, "--report", "r.html").exit_code == 0
    assert "Nobody was written to." in read("r.html").text


def test_names_in_the_input_are_text_in_the_page() -> None:
    events(
        (f"{DAY}T09:00:00Z", "consent", {}),
        (f"{DAY}T10:00:00Z", "candidate", {"category": "<script>alert(1)</script>"}),
        (f"{DAY}T10:00:00Z", "candidate", {"channel": "a<b>&c"}),
    )
    tricky = POLICY.replace("channel: push", "channel: 'a<b>&c'")
    written("p.yaml", tricky)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    result = governor("simulate", *arguments, "--report", "r.html")
    if result.exit_code == 3:
        pytest.skip("no policy may name such a channel")
    assert "a<b>&c" in read("r.html").text


def test_missing_libraries_are_named_before_anything_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "vl_convert" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    result = governor("simulate", "--events", "e", "--report", "r.html")
    assert result.exit_code == 2
    assert "needs `vl_convert`, run `pip install 'governor[report]'`" in result.stderr


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_judged() -> None:
    for place in ("nowhere/r.html", "."):
        result = governor("simulate", "--events", "e", "--report", place)
        assert result.exit_code == 2
        assert f"`{place}` is no file in a folder that is there" in result.stderr


def test_events_that_can_be_read_only_once_are_refused() -> None:
    os.mkfifo("pipe")
    written("p.yaml", POLICY)
    result = governor("simulate", "--policy", "p.yaml", "--events", "pipe", "--report", "r.html")
    assert result.exit_code == 2
    assert "`pipe` must be a file" in result.stderr


@pytest.mark.timeout(300)
def test_of_a_large_recording_the_ceilings_are_tried_on_some_people_by_several_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = record(Path("events.jsonl"))
    monkeypatch.setattr("governor.report.ceilings.MOST", len(recorded) // 5)
    monkeypatch.setattr("governor.report.ceilings.FEW", 0)
    written("p.yaml", POLICY)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    assert governor("simulate", *arguments, "--report", "r.html").exit_code == 0
    page, ended = read("r.html"), Ended(Path("d.jsonl"), recorded)
    every = -(-len(ended.of) // (len(recorded) // 5))
    assert f"about one person in {every} was judged for it" in page.text
    people = {one["person"] for decisions in ended.of.values() for one in decisions}
    chosen = {person for person in people if zlib.crc32(person.encode()) % every == 0}
    [own] = [row for row in page.rows("Each ceiling") if row[0] == "25"]
    mine = [one for one in ended.of if ended.of[one][0]["person"] in chosen]
    assert number(own[1]) == len(mine) < len(ended.of)
    assert number(own[2]) == sum(ended.end(one).startswith("released") for one in mine)


def test_with_json_nothing_but_json_goes_to_standard_error() -> None:
    events((f"{DAY}T09:00:00Z", "consent", {}), (f"{DAY}T10:00:00Z", "candidate", {}))
    written("p.yaml", POLICY)
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl", "--json"]
    result = governor("simulate", *arguments, "--report", "r.html")
    assert lines(result.stderr)[0]["candidates"] == 1
    assert len(lines(result.stderr)) == 1


def test_the_command_line_starts_without_the_libraries_of_the_report() -> None:
    code = "import sys, governor.cli; print(sorted({'jinja2', 'vl_convert'} & sys.modules.keys()))"
    code += "; print('governor.report' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split("\n")[:2] == ["[]", "False"]


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_page_on_a_real_log_counts_what_its_decisions_say() -> None:
    log = shared("email_log.csv.gz")
    files = ["--policy", f"{CONFIG}/ceiling.yaml", "--log", str(log), "--map", f"{CONFIG}/map.yaml"]
    result = governor("simulate", *files, "--out", "d.jsonl", "--report", "r.html")
    assert result.exit_code == 0, result.stderr
    ended = Ended(Path("d.jsonl"), [])
    page = read("r.html")
    [row] = page.rows("The same by kind")
    ends = ("released", "released later", "waiting", "suppressed")
    assert [number(cell) for cell in row[2:6]] == [len(ended.messages(end)) for end in ends]
    own = next(cells for cells in page.rows("Each ceiling") if cells[0] == "12")
    assert number(own[1]) == len(ended.of) == 60_920
    assert number(own[4]) == len(ended.messages("suppressed", "waiting"))

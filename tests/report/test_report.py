"""The page of `simulate --report`: its numbers are those of the decisions, and it needs nothing."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.commands import governor, written
from tests.report.recordings import POLICY, Ended, Page, number, record


class Run(NamedTuple):
    folder: Path
    events: list[dict[str, Any]]
    ended: Ended
    text: str
    page: Page
    progress: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Judge the recording once, with its page."""
    folder = tmp_path_factory.mktemp("report")
    events = record(folder / "events.jsonl")
    written(folder / "p.yaml", POLICY)
    result = governor(*_arguments(folder, "p"))
    assert result.exit_code == 0, result.stderr
    text = (folder / "p.html").read_text(encoding="utf-8")
    ended = Ended(folder / "p.jsonl", events)
    return Run(folder, events, ended, text, Page(text), result.stderr)


def _arguments(folder: Path, name: str, *, report: bool = True) -> list[str | Path]:
    arguments: list[str | Path] = ["simulate", "--events", folder / "events.jsonl"]
    arguments += ["--policy", folder / f"{name}.yaml", "--out", folder / f"{name}.jsonl"]
    return [*arguments, "--report", folder / f"{name}.html"] if report else arguments


def test_the_page_stands_alone_without_network_script_or_address(run: Run) -> None:
    assert run.page.addresses
    assert all(address.startswith("#") for address in run.page.addresses)
    assert not re.search(r"https?:|//|url\(|@import|<script|javascript:", run.text)
    assert "default-src 'none'" in run.text
    assert len(run.text) < 500_000


def test_the_page_holds_no_person_and_no_message(run: Run) -> None:
    assert "secret" not in run.text


def test_every_chart_says_what_it_shows_and_has_a_table_behind_it(run: Run) -> None:
    assert len(run.page.charts) == 10
    assert all(len(label) > 40 for label in run.page.charts)
    order = run.page.order
    after = [order[place + 1] for place, one in enumerate(order) if one == "chart"]
    assert after == ["chart", "table"] * 5


def test_outcomes_by_category_and_channel_are_those_of_the_decisions(run: Run) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for message, (*_, last) in run.ended.of.items():
        kind = f"{last['category']}, {last['channel']}"
        expected[kind, run.ended.end(message)] += 1
    ends = ("released", "released later", "waiting", "suppressed")
    rows = run.page.rows("The same by kind")
    assert {row[0] for row in rows} == {kind for kind, _ in expected}
    for kind, whole, *numbers, _ in rows:
        assert [number(one) for one in numbers] == [expected[kind, end] for end in ends]
        assert number(whole) == sum(map(number, numbers))
    assert min(sum(expected[kind, end] for kind, _, *_ in rows) for end in ends[:2]) > 10


def test_what_held_messages_back_is_counted_by_what_decided(run: Run) -> None:
    stopped: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for decisions in run.ended.of.values():
        waited = {one["code"] for one in decisions if one["outcome"] == "defer"}
        held.update(waited)
        if decisions[-1]["outcome"] == "suppress":
            stopped[decisions[-1]["code"]] += 1
    rows = run.page.rows("What held messages back")
    codes = [re.search(r"\((\w+)\)", row[0]) for row in rows]
    found = {match[1]: row for match, row in zip(codes, rows, strict=True) if match}
    assert found.keys() == {*stopped, *held}
    assert {"no_consent", "cap_reached", "quiet_hours", "too_intrusive"} <= found.keys()
    for code, row in found.items():
        assert (number(row[2]), number(row[3])) == (stopped[code], held[code])
    assert found["cap_reached"][:2] == [
        "caps two-per-day (cap_reached)",
        "2 of 2 are used up in 24h",
    ]
    assert found["no_consent"][1] == "no consent on record; it needs consent for this purpose"


def test_weeks_hold_the_messages_that_came_in_them(run: Run) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for message, came in run.ended.came.items():
        day = datetime.fromisoformat(came).date()
        monday = (day - timedelta(days=day.weekday())).isoformat()
        expected[monday, run.ended.end(message)] += 1
    rows = run.page.rows("The same by week")
    assert [row[0] for row in rows] == ["2026-05-04", "2026-05-11", "2026-05-18"]
    for monday, _, released, later, waiting, suppressed, _ in rows:
        found = [number(one) for one in (released, later, waiting, suppressed)]
        ends = ("released", "released later", "waiting", "suppressed")
        assert found == [expected[monday, end] for end in ends]


def test_people_are_counted_by_what_they_got_before_and_after(run: Run) -> None:
    came, went = Counter[str](), Counter[str]()
    for decisions in run.ended.of.values():
        came[decisions[-1]["person"]] += 1
        went[decisions[-1]["person"]] += decisions[-1]["outcome"] == "release"
    spread = {row[0]: row[1:] for row in run.page.rows("How evenly")}
    assert spread["the most"] == [str(max(came.values())), str(max(went.values()))]
    assert spread["on average"][0] == f"{round(came.total() / len(came), 2):g}"
    assert spread["on average"][1] == f"{round(went.total() / len(came), 2):g}"
    rows = run.page.rows("The same by messages")
    assert [sum(number(row[place]) for row in rows) for place in (1, 2)] == [len(came)] * 2
    assert len(rows) > 5
    for label, *numbers in rows:
        low, _, high = label.partition("–")
        span = range(int(low), int(high or low) + 1)
        expected = [sum(each[person] in span for person in came) for each in (came, went)]
        assert [number(cell) for cell in numbers] == expected


def test_hours_are_those_at_which_messages_came_and_went_out(run: Run) -> None:
    came = Counter(at[11:13] for at in run.ended.came.values())
    out = run.ended.messages("released", "released later")
    went = Counter(run.ended.of[message][-1]["decided_at"][11:13] for message in out)
    rows = run.page.rows("The same by hour")
    assert len(rows) == 24
    for hour, before, after in rows:
        assert (number(before), number(after)) == (came[hour[:2]], went[hour[:2]])


def test_what_is_in_shadow_stands_apart_and_holds_nothing_back(run: Run) -> None:
    judged = against = went_out = 0
    for decisions in run.ended.of.values():
        shadows = [
            [one for one in decision["findings"] if not one["enforced"]] for decision in decisions
        ]
        judged += any(shadows)
        against += any(one["outcome"] != "release" for found in shadows for one in found)
        released = decisions[-1]["outcome"] == "release"
        went_out += released and any(one["outcome"] == "suppress" for one in shadows[-1])
    [row] = run.page.rows("Rules that were only watched")
    assert row[0] == "caps few-push"
    assert [number(cell) for cell in row[2:]] == [judged, against, went_out, went_out, 0]
    assert went_out > 0
    assert not any("few-push" in row[0] for row in run.page.rows("What held messages back"))


def test_progress_is_told_on_standard_error(run: Run) -> None:
    assert "report: judging under" in run.progress
    assert re.search(r"ceilings: [\d.]+ judged, 1 of \d", run.progress)


def test_each_ceiling_is_what_a_simulation_under_it_gives(run: Run) -> None:
    rows = run.page.rows("Each ceiling")
    assert len(rows) == 6
    assert "25" in [row[0] for row in rows]
    withheld = []
    for ceiling, *cells in rows:
        name = f"ceiling-{ceiling}"
        written(run.folder / f"{name}.yaml", POLICY.replace("ceiling: 25", f"ceiling: {ceiling}"))
        assert governor(*_arguments(run.folder, name, report=False)).exit_code == 0
        ended = Ended(run.folder / f"{name}.jsonl", run.events)
        kept = [ended.kept(kind) for kind in ("opened", "clicked")]
        later = len(ended.messages("released later"))
        out = len(ended.messages("released")) + later
        assert [number(cell) for cell in cells[:4]] == [
            len(ended.of),
            out,
            later,
            len(ended.of) - out,
        ]
        assert cells[5:] == [f"{100 * part / whole:.1f} %" for part, whole in kept]
        withheld.append(len(ended.of) - out)
    assert withheld == sorted(withheld, reverse=True)
    assert withheld[0] > withheld[-1]


def test_the_page_says_what_opens_are_worth(run: Run) -> None:
    assert "prox" in run.page.text
    assert "no consent" in run.page.text
    assert "not what a ceiling causes" in run.page.text


def test_the_same_input_gives_the_same_page(run: Run) -> None:
    again = [*_arguments(run.folder, "p")[:-1], run.folder / "again.html"]
    assert governor(*again).exit_code == 0
    assert (run.folder / "again.html").read_text(encoding="utf-8") == run.text

"""No text from outside begins a line of its own, steers a terminal or makes up a label."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from governor import logs
from governor.config import topics
from governor.core.policy import Policy
from governor.core.printable import printable
from governor.metrics.prepared import OTHER
from tests.cli.commands import POLICY, events, governor, written
from tests.security.desk import Desk, candidate, grant, record

FORGED = '\n{"level": "info", "logger": "governor", "message": "all is well"}\r'
ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\u202ereversed\u2028next"
NASTY = FORGED + ESCAPES


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_log_line_cannot_be_forged_by_what_is_logged(level: str) -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure(level, stream)
        logging.getLogger("governor." + NASTY).warning("refused %s", NASTY, extra={NASTY: NASTY})
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = before[0]
        root.setLevel(before[1])
    [line] = stream.getvalue().splitlines()
    assert line.isprintable()
    assert line.isascii()
    assert json.loads(line)["message"] == "refused " + NASTY


def test_what_is_printable_stays_and_the_rest_is_written_out() -> None:
    assert printable("Grüße, 名前 `m-1`") == "Grüße, 名前 `m-1`"
    assert printable("a\nb\x1b[0m\x9b\u202e\ud800\U000e0001", "\n") == (
        "a\nb\\x1b[0m\\x9b\\u202e\\ud800\\U000e0001"
    )


def test_what_is_said_of_a_refused_record_is_one_line_without_what_it_holds() -> None:
    desk = Desk()
    odd = {NASTY: NASTY, "person": NASTY * 20, "category": NASTY, "variants": [{NASTY: 1}]}
    for topic in sorted(topics.INPUTS):
        for value in (odd, candidate("p") | odd, {"groups": {"zoe@example.org": 1}} | odd):
            [letter] = desk.take(record(topic, value)).intake.letters
            assert letter.detail.isprintable()
            assert "all is well" not in letter.detail
            assert "zoe" not in letter.detail
    profile = {"person": "p", "at": "2026-05-05T10:00:00Z", "groups": {"Zoe.Example-1990": 1}}
    letter = desk.take(record(topics.PROFILES, profile)).letter()
    assert letter.detail == "groups.?: must be text"


@pytest.mark.usefixtures("folder")
def test_commands_print_ids_without_obeying_them() -> None:
    at = "2026-05-05T10:00:00Z"
    waits = {"not_before": "2027-01-01T00:00:00Z", "expires_at": "2028-01-01T00:00:00Z"}
    log = events(
        (at, "consent", {"person": NASTY}),
        (at, "candidate", {"id": NASTY, "person": NASTY}),
        (at, "candidate", {"id": "m-2" + NASTY, "person": NASTY, **waits}),
    )
    first, second = written("p.yaml", POLICY), written("q.yaml", POLICY.replace("1, w", "0, w"))
    both: list[str | Path] = ["--policy", first, "--events", log]
    said = [
        governor("simulate", *both, "--out", "d.jsonl"),
        governor("simulate", *both, "--compare", second),
        governor("simulate", *both, "--compare", second, "--json"),
        governor("explain", NASTY, "--decisions", "d.jsonl"),
        governor("explain", NASTY, "--decisions", "d.jsonl", "--json"),
        governor("explain", NASTY + "?", "--decisions", "d.jsonl"),
    ]
    assert [one.exit_code for one in said] == [0, 1, 1, 0, 0, 1]
    for one in said:
        for line in one.output.split("\n"):
            assert line.isprintable()
            assert not line.startswith('{"level"')
    assert json.loads(said[4].stdout)[0]["message"] == NASTY


@pytest.mark.usefixtures("folder")
def test_defects_of_files_are_printed_without_obeying_them() -> None:
    key = json.dumps(NASTY)
    policy = written("p.yaml", f"version: 1\n{key}: 1\ncategories: {{{key}: {{{key}: {key}}}}}\n")
    mapping = written("m.yaml", f"{key}: {key}\nperson: {key}\n")
    rows = written("l.csv", f'at,who,what\n"{FORGED}{ESCAPES}",p,sent\n')
    text = "time: {column: at}\nperson: who\nrows:\n- {as: candidate, set: {campaign: c, "
    good = written("g.yaml", text + "category: promotional, channel: email}}\n")
    for result in (
        governor("check", policy),
        governor("convert", "--log", rows, "--map", mapping),
        governor("convert", "--log", rows, "--map", good),
    ):
        assert result.exit_code == 3
        lines = result.output.rstrip("\n").split("\n")
        assert all(
            line.isprintable() and line[:6] in ("p.yaml", "m.yaml", "l.csv:") for line in lines
        )


def test_names_of_the_policy_cannot_break_out_of_a_label() -> None:
    name = 'a"} 1\nforged_total{x="\\'
    rules = {"version": 1, "categories": {name: {"purpose": name, "basis": ["consent"]}}}
    rules["caps"] = [{"id": "c", "match": {"channel": name}, "limit": 1, "window": "1h"}]
    desk = Desk(Policy.model_validate(rules))
    desk.take(grant("p", purpose=name), record(topics.CANDIDATES, candidate("p", category=name)))
    text = generate_latest(desk.metrics.registry).decode()
    assert not [line for line in text.splitlines() if line.startswith("forged")]
    found = {family.name: family for family in text_string_to_metric_families(text)}
    labels = {sample.labels["category"] for sample in found["governor_candidates"].samples}
    assert name in labels


def test_no_value_of_a_message_becomes_a_label() -> None:
    desk = Desk()
    desk.take(grant("zz-p", purpose="zz-purpose", channel="zz-channel", topic="zz-topic"))
    about = {"id": "zz-f", "person": "zz-p", "at": "2026-05-05T10:00:00Z", "message": "zz-m"}
    desk.take(
        grant("zz-p"),
        record(topics.FEEDBACK, about | {"kind": "opened", "channel": "zz-channel"}),
        record(topics.CANDIDATES, candidate("zz-p", "zz-m", campaign="zz-campaign", topic="zz-t")),
        record(topics.CANDIDATES, candidate("zz-p", category="zz-category")),
        record(topics.CANDIDATES, candidate("zz-p", channel="zz-channel")),
    )
    text = generate_latest(desk.metrics.registry).decode()
    assert "zz-" not in text
    assert f'channel="{OTHER}"' in text


def test_a_path_with_a_line_end_in_it_stays_on_its_line(folder: Path) -> None:
    odd = written(folder / f"a{FORGED[1:8]}\nb.yaml", "version: 2\n")
    result = governor("check", odd)
    assert result.exit_code == 3
    assert all(line.startswith(str(folder)) for line in result.output.splitlines())

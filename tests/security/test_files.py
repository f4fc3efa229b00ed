"""Files that lead elsewhere, unpack without end or would be written over; odd cells."""

from __future__ import annotations

import gzip
import json
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from governor.config import PolicyInvalid, load_policy
from governor.convert import table
from tests.cli.commands import MAP, POLICY, events, governor, lines, written

AT = "2026-05-05T10:00:00Z"
ROWS = "at,who,what\n2026-05-05 10:00:00,p,sent\n"
pytestmark = pytest.mark.usefixtures("folder")


def test_a_file_that_is_read_is_never_written_over() -> None:
    log = events((AT, "consent", {}), (AT, "candidate", {}))
    policy, rows, mapping = (
        written("p.yaml", POLICY),
        written("l.csv", ROWS),
        written("m.yaml", MAP),
    )
    Path("link.jsonl").symlink_to("events.jsonl")
    os.link("events.jsonl", "twin.jsonl")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    play: list[str | Path] = ["simulate", "--policy", policy, "--events", log]
    for arguments in (
        [*play, "--out", log],
        [*play, "--out", "./x/../events.jsonl"],
        [*play, "--out", log.resolve()],
        [*play, "--out", "link.jsonl"],
        [*play, "--out", "twin.jsonl"],
        [*play, "--out", policy],
        [*play, "--dead-letters", log],
        [*play, "--out", "d.jsonl", "--dead-letters", "d.jsonl"],
        ["convert", "--log", rows, "--map", mapping, "--out", rows],
        ["convert", "--log", rows, "--map", mapping, "--out", mapping],
    ):
        Path("x").mkdir(exist_ok=True)
        result = governor(*arguments)
        assert result.exit_code == 2, arguments
        assert "would be written over" in result.stderr
        Path("x").rmdir()
        assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
    assert governor(*play, "--out", "d.jsonl").exit_code == 0


def test_a_map_does_not_lead_out_of_its_folder() -> None:
    written("secret.csv", "p,top secret\n")
    written("in/l.csv", ROWS)
    for file in ("../secret.csv", "x/../../secret.csv", ".."):
        people = f"people: {{file: {file}, columns: [who, lang], person: who, groups: lang}}\n"
        written("in/m.yaml", MAP + people)
        result = governor("convert", "--log", "in/l.csv", "--map", "in/m.yaml")
        assert result.exit_code == 3
        assert "m.yaml:6: people.file: `" in result.stderr
        assert "leads out of the folder" in result.stderr
        assert "secret\n" not in result.output


def test_a_policy_may_be_a_link_as_kubernetes_mounts_it() -> None:
    """A ConfigMap is a folder of links; whoever can put a link there can put a policy there."""
    written("real/p.yaml", POLICY)
    Path("mounted").mkdir()
    Path("mounted/p.yaml").symlink_to("../real/p.yaml")
    assert load_policy("mounted").version == 1


@pytest.mark.parametrize(
    "target", ["/dev/zero", "/dev/null", "nowhere", "p.yaml", ".", "/proc/self/mem"]
)
def test_a_link_to_something_odd_is_a_defect_and_costs_little(target: str) -> None:
    Path("mounted").mkdir()
    Path("mounted/p.yaml").symlink_to(target)
    with pytest.raises(PolicyInvalid) as refused:
        load_policy("mounted")
    assert [defect.file for defect in refused.value.defects] == ["mounted/p.yaml"]


def bomb(path: str, line: bytes, times: int) -> Path:
    with gzip.open(path, "wb", compresslevel=9) as packed:
        packed.write(ROWS.encode())
        for _ in range(times):
            packed.write(line)
    return Path(path)


def test_a_packed_log_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_MOST_UNPACKED", 1 << 16)
    mapping = written("m.yaml", MAP)
    rows = bomb("l.csv.gz", b"2026-05-05 10:00:00,p,passed over\n" * 1_000, 20)
    assert rows.stat().st_size * 200 < 20 * 34_000
    result = governor("convert", "--log", rows, "--map", mapping, "--out", "e.jsonl")
    assert result.exit_code == 3
    assert result.stderr.endswith("unpacks to more than 200 times its size, unpack it\n")
    assert not Path("e.jsonl").exists()
    monkeypatch.setattr(table, "_MOST_UNPACKED", 1 << 30)
    assert governor("convert", "--log", rows, "--map", mapping).exit_code == 0


def test_a_line_without_end_takes_bounded_memory() -> None:
    rows = bomb("l.csv.gz", b"x" * (1 << 20), 40)
    tracemalloc.start()
    result = governor("convert", "--log", rows, "--map", written("m.yaml", MAP))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.exit_code == 3
    assert "l.csv.gz:3: has a line of more than 16 MiB" in result.stderr
    assert peak < 96 << 20


def test_a_device_without_end_is_refused() -> None:
    mapping = written("m.yaml", MAP)
    result = governor("convert", "--log", "/dev/zero", "--map", mapping)
    assert result.exit_code == 3
    assert "/dev/zero:1: has a line of more than 16 MiB" in result.stderr
    assert governor("convert", "--log", written("l.csv", ROWS), "--map", "/dev/zero").exit_code == 3


def test_a_damaged_archive_is_refused_with_its_row() -> None:
    mapping = written("m.yaml", MAP)
    whole = bomb("l.csv.gz", b"2026-05-05 10:00:00,p,sent\n", 5_000).read_bytes()
    for data in (whole[:-20], whole[:100], whole[:40] + b"\0" * 40 + whole[80:], b"\x1f\x8b"):
        Path("d.csv.gz").write_bytes(data)
        result = governor("convert", "--log", "d.csv.gz", "--map", mapping)
        assert result.exit_code == 3
        assert result.stderr.startswith("d.csv.gz")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1"])
def test_a_cell_that_is_a_formula_is_text_and_no_table_is_ever_written(cell: str) -> None:
    """What governor writes is JSON, which no spreadsheet evaluates; so it changes no cell."""
    rows = written("l.csv", f'at,who,what\n2026-05-05 10:00:00,"{cell}",sent\n')
    result = governor("convert", "--log", rows, "--map", written("m.yaml", MAP))
    [event] = lines(result.stdout)
    assert event["data"]["person"] == cell


def test_recorded_events_without_end_in_depth_or_number_are_refused_with_their_line() -> None:
    policy = written("p.yaml", POLICY)
    good = json.dumps({"at": AT, "type": "candidate", "data": {}})
    for bad in (
        "[" * 100_000,
        '{"at":' * 70 + "1" + "}" * 70,
        '{"at": 1e400}',
        '{"at": NaN}',
        "\0",
    ):
        written("e.jsonl", f"{good}\n{bad}\n")
        result = governor("simulate", "--policy", policy, "--events", "e.jsonl")
        assert result.exit_code == 3
        assert result.stderr.startswith("e.jsonl:2: ")


def test_decisions_that_are_none_are_refused_with_their_line() -> None:
    for bad in ("[" * 100_000, "{}", "1", "\0", '{"message": 1}', "\xff"):
        written("d.jsonl", f"\n{bad}\n")
        result = governor("explain", "m", "--decisions", "d.jsonl")
        assert result.exit_code == 3
        assert result.stderr.startswith("d.jsonl:2: ")


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-05T10:00:00." + "1" * 200_000 + "!",
        "9" * 200_000,
        " " * 200_000 + "x",
        "T" * 200_000,
    ],
)
def test_no_pattern_takes_long_over_a_long_text(text: str) -> None:
    policy = written("p.yaml", "version: 1\nretention: {verdicts: " + json.dumps(text) + "}\n")
    quota = {
        "caps": [{"id": text, "window": text, "min_gap": text}],
        "quiet_hours": [{"allow": {text: text}}],
    }
    other = written("q.yaml", json.dumps({"version": 1, "modes": {text: text}, **quota}))
    person = {"born": text, "country": text, "time_zone": text}
    log = events((AT, "candidate", {"created_at": text}), (AT, "profile", person))
    began = time.process_time()
    assert governor("check", policy).exit_code == 3
    assert governor("check", other).exit_code == 3
    assert (
        governor("simulate", "--policy", written("r.yaml", POLICY), "--events", log).exit_code == 0
    )
    assert time.process_time() - began < 15

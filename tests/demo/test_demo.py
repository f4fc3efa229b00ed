"""The demonstration as its reader runs it: the real worker, from the first line to the last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from governor.demo.day import candidates
from governor.demo.story import BEATS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

GOVERNOR = [sys.executable, "-m", "governor"]
# Settings of another governor, which the demonstration must not touch.
ELSEWHERE = {"GOVERNOR_BROKERS": "nowhere:1", "GOVERNOR_REDIS": "redis://nowhere:1"}


@contextmanager
def the_demo(*options: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*GOVERNOR, "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **ELSEWHERE, "TMPDIR": str(folder)},
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def read(process: subprocess.Popen[str], last: str) -> list[dict[str, Any]]:
    """Read the lines up to the first of type *last*."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1]["type"] == last:
            return lines
    raise AssertionError(process.stderr.read() if process.stderr else lines)


def those(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def mentioned(folder: Path) -> list[str]:
    """Return the command lines of processes that work in *folder*, or know of it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            known = command + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in known and entry.name != str(os.getpid()):
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_the_sample_day_ends_by_itself_and_all_is_as_it_should_be(tmp_path: Path) -> None:
    began = time.monotonic()
    with the_demo(folder=tmp_path) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    assert not err
    assert time.monotonic() - began < 60
    assert "08:30  suppressed   Greta   spring sale                 no consent on record" in out
    assert "✗" not in out
    assert out.count("✓") == 11
    assert "14:10  handed over  Hugo    spring sale " in out
    assert not mentioned(tmp_path)


def test_what_is_kept_can_be_asked_until_ctrl_c_ends_it(tmp_path: Path) -> None:
    with the_demo("--keep", "--json", folder=tmp_path) as process:
        lines = read(process, "files")
        [files] = those(lines, "files")
        check_what_came_out(lines, Path(files["folder"]))
        ready = f"http://{files['settings']['GOVERNOR_METRICS']}/health/ready"
        with urllib.request.urlopen(ready, timeout=5) as answer:
            assert answer.status == 200
        explained = subprocess.run(
            [*GOVERNOR, "explain", "spring-sale-dave"],
            cwd=files["folder"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "possible from 2026-05-08T10:00:00Z" in explained.stdout
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not [part for part in those(lines, "part") if alive(part["pid"])]
    assert not mentioned(tmp_path)


def check_what_came_out(lines: list[dict[str, Any]], folder: Path) -> None:
    """Compare with the story, without the demonstration's own checks."""
    became: dict[str, list[str]] = {}
    for line in those(lines, "decision"):
        one = line["decision"]
        became.setdefault(one["message"], []).append(
            f"{one['outcome']} {one['code'] or one['channel']}"
        )
    for step in candidates(BEATS):
        if not step.refused:
            assert ", ".join(became.pop(step.data["id"])) == step.expected, step.data["id"]
    assert not became
    reasons = sorted(line["reason"] for line in those(lines, "dead_letter"))
    assert reasons == ["undecodable", "unknown_category"]
    gathered = [line["message"] for line in those(lines, "gathering")]
    assert gathered == [step.data["id"] for step in candidates(BEATS) if step.gathers]
    told = {(line["name"], line["handover"]["why"]) for line in those(lines, "handover")}
    assert told == {("Kenji", "messages"), ("Hugo", "complained")}
    [summary] = those(lines, "summary")
    assert summary["handovers"] == len(told)
    assert summary["said_again"] == 1
    assert not [check for check in summary["checks"] if check["flaws"]]
    assert summary["waiting"] == 0
    written = (folder / "decisions.jsonl").read_text().splitlines()
    assert len(written) == summary["decisions"]
    subprocess.run(
        [
            *GOVERNOR,
            "simulate",
            "--policy",
            "policy.yaml",
            "--events",
            "events.jsonl",
            "--out",
            "s",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len((folder / "s").read_text().splitlines()) == summary["decisions"]


@pytest.mark.parametrize("moment", ["part", "decision"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    with the_demo("--json", folder=tmp_path) as process:
        lines = read(process, moment)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not [part for part in those(lines, "part") if alive(part["pid"])]
    assert not list(tmp_path.iterdir())
    assert not mentioned(tmp_path)


def test_a_reader_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    with the_demo(folder=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=60)
    assert process.returncode != 0
    assert not mentioned(tmp_path)

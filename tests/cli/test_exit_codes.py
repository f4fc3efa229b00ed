"""Every command ends in clear lines and the exit code that the contract gives to them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from governor.cli import main
from governor.cli.failures import failure
from governor.ledger.protocol import LedgerUnavailable
from tests.cli.commands import MAP, POLICY, events, governor, written
from tests.servers.process import free_port

HEAVY = ("pydantic", "aiokafka", "faust", "redis", "ruamel", "holidays")


def test_help_loads_nothing_that_is_heavy() -> None:
    program = "import sys, governor.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program, *HEAVY], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_each_command_explains_itself() -> None:
    for name in main.commands:
        assert governor(name, "--help").exit_code == 0
        assert main.commands[name].help


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "governor", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("governor ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    written("p.yaml", POLICY)
    happened = [("2026-05-05T10:00:00Z", "candidate", {"id": f"m-{n}"}) for n in range(2000)]
    events(*happened)
    command = f"{sys.executable} -m governor simulate --policy p.yaml --events events.jsonl"
    done = subprocess.run(
        f"{command} | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith('{"id"')
    assert "rror" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["simulat"], "No such command"),
        (["simulate"], "name either `--events`, or `--log` and its `--map`"),
        (["simulate", "--log", "x.csv"], "name either"),
        (["simulate", "--events", "e", "--log", "x", "--map", "m"], "name either"),
        (["simulate", "--events", "e", "--until", "tomorrow"], "`tomorrow` is no time with a zone"),
        (["simulate", "--events", "e", "--report", "x/r.html"], "is no file in a folder"),
        (["convert", "--log", "x.csv"], "Missing option '--map'"),
        (["dead-letters", "list", "--offsets", "7"], "`7` is no place"),
        (["dead-letters", "list", "--reason", "bogus"], "`bogus` is no reason, there are `undec"),
        (["dead-letters", "retry", "--reason", "Invalid"], "`Invalid` is no reason, there are"),
        (["topics", "create", "--partitions", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], says: str) -> None:
    written("config/policy.yaml", POLICY)
    result = governor(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_wrong_setting_is_2_and_has_its_name_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVERNOR_CLOCK", "sun")
    monkeypatch.setenv("GOVERNOR_METRICS", "here")
    result = governor("topics", "create")
    assert result.exit_code == 2
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == [
        "GOVERNOR_CLOCK",
        "GOVERNOR_METRICS",
    ]


def test_run_without_the_pseudonym_key_is_2() -> None:
    result = governor("run")
    assert result.exit_code == 2
    assert result.stderr.startswith("GOVERNOR_PSEUDONYM_KEY: is missing")


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["check", "bad.yaml"], "bad.yaml:1: "),
        (["check", "gone.yaml"], "gone.yaml: cannot be read: no such file or directory"),
        (["simulate", "--policy", "bad.yaml", "--events", "e"], "bad.yaml:1: "),
        (["simulate", "--policy", "p.yaml", "--events", "gone"], "gone: cannot be read"),
        (["simulate", "--policy", "p.yaml", "--events", "bad.jsonl"], "bad.jsonl:1: "),
        (["convert", "--log", "gone.csv", "--map", "map.yaml"], "gone.csv: cannot be read"),
        (["convert", "--log", "x.csv", "--map", "bad.yaml"], "bad.yaml"),
        (["explain", "m-1", "--decisions", "bad.jsonl"], "bad.jsonl:1: is no JSON"),
        (["explain", "m-1", "--decisions", "gone"], "gone: cannot be read"),
    ],
)
def test_invalid_policy_or_input_is_3(arguments: list[str], place: str) -> None:
    written("bad.yaml", "versoin: 1\n")
    written("p.yaml", POLICY)
    written("map.yaml", MAP)
    written("bad.jsonl", "no json\n")
    result = governor(*arguments)
    assert result.exit_code == 3
    assert result.stderr.startswith(place)
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["topics", "create"],
        ["dead-letters", "list"],
        ["dead-letters", "retry"],
        ["explain", "m-1"],
    ],
)
def test_a_broker_that_is_away_is_4_within_seconds(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written("config/policy.yaml", POLICY)
    monkeypatch.setenv("GOVERNOR_BROKERS", place := f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    result = governor(*arguments)
    assert result.exit_code == 4
    assert result.stderr.startswith(f"kafka at {place}: ")
    assert result.stderr.count("\n") == 1
    assert time.monotonic() - began < 15


def test_a_ledger_that_is_away_is_4() -> None:
    assert failure(LedgerUnavailable("redis: away")).exit_code == 4


def test_what_is_unexpected_is_one_line_and_with_debug_all_of_it(folder: Path) -> None:
    written("p.yaml", POLICY)
    arguments = ["check", "p.yaml"]

    def fails(_path: Path) -> None:
        raise RuntimeError("one\ntwo")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("governor.config.load_policy", fails)
        short = CliRunner().invoke(main, arguments)
        full = CliRunner().invoke(main, ["--debug", *arguments])
    assert short.stderr == "unexpected: RuntimeError: one; `governor --debug ...` shows where\n"
    assert short.exit_code == 1
    assert isinstance(full.exception, RuntimeError)

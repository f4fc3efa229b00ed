"""`check` names every defect, and shows what a valid policy puts in force."""

from __future__ import annotations

import json

import pytest

from governor.config import load_policy
from tests.cli.commands import POLICY, ROOT, governor, written


def test_all_defects_are_told_at_once_each_with_file_and_line() -> None:
    written("p.yaml", POLICY.replace("limit: 1", "limit: -1").replace("window: 24h", "window: day"))
    result = governor("check", "p.yaml")
    assert result.exit_code == 3
    places = [line.partition(": ")[0] for line in result.stderr.splitlines()]
    assert places == ["p.yaml:6", "p.yaml:6"]


def test_defects_come_as_json_too() -> None:
    written("p.yaml", "version: 1\n")
    result = governor("check", "p.yaml", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert not found["valid"]
    assert found["defects"][0]["file"] == "p.yaml"


def test_what_is_in_force_is_shown_in_short() -> None:
    path = written("p.yaml", POLICY)
    result = governor("check", "p.yaml")
    assert result.exit_code == 0
    assert f"revision {load_policy(path).revision}" in result.stdout
    assert "at most 1 in 24h, else suppress [category promotional]" in result.stdout
    assert "day: mon-sun 08:00-21:00, else defer" in result.stdout
    assert result.stderr == ""


ARBITRATED = """\
version: 1
categories:
  promotional: {purpose: marketing}
  code: {purpose: contract, basis: contract}
caps:
  - {id: a, limit: 3, window: 7d, reserve: {priority_at_least: 80, slots: 1}}
arbitration: {window: 10m, rank: [value], losers: suppress}
"""


def test_what_gathers_and_what_is_reserved_is_shown() -> None:
    written("p.yaml", ARBITRATED)
    result = governor("check", "p.yaml")
    assert result.exit_code == 0
    assert "at most 3 in 7d, 1 of them only for priority 80 or more" in result.stdout
    assert "first by value" in result.stdout
    assert "judged together 10m after the first; those that lose are dropped" in result.stdout


def test_how_near_a_message_may_come_is_shown() -> None:
    written(
        "p.yaml",
        POLICY
        + "intrusiveness: {ceiling: 45, half_life: 2d, above: review}\n"
        + "personal_data: {free: 1, sensitive: [health]}\n"
        + "persuasion: {budget: {limit: 2, window: 7d}, vulnerable: [debt]}\n",
    )
    shown = governor("check", "p.yaml").stdout
    assert "at most 45 points, or what people chose" in shown
    assert "half after 2d" in shown
    assert "deeper than 1: only with consent to personalisation" in shown
    assert "health: only with consent to sensitive" in shown
    assert "any technique: at most 2 in 7d, else defer" in shown
    assert "none for minors, debt" in shown


def test_what_is_in_force_comes_as_json_too() -> None:
    written("p.yaml", POLICY)
    found = json.loads(governor("check", "p.yaml", "--json").stdout)
    assert found["valid"]
    assert found["in_force"]["place"] == ["UTC"]
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("policy", "warns"),
    [
        (POLICY.replace("defaults: {time_zone: UTC}\n", ""), "strictest of all clocks on Earth"),
        (POLICY.replace("limit: 1", "limit: 0"), "lets nothing through"),
        (ARBITRATED, "messages of `code` wait 10m"),
        (POLICY.replace('21:00"}', '21:00", holiday: none}'), "set `defaults.country`"),
    ],
)
def test_what_may_surprise_is_a_warning_and_no_defect(policy: str, warns: str) -> None:
    written("p.yaml", policy)
    result = governor("check", "p.yaml")
    assert result.exit_code == 0
    assert warns in result.stderr


def test_calendar_windows_without_a_place_warn_as_hours_do() -> None:
    policy = POLICY.replace("defaults: {time_zone: UTC}\n", "").partition("quiet_hours")[0]
    written("p.yaml", policy)
    assert governor("check", "p.yaml").stderr == ""
    written("p.yaml", policy.replace("24h", "calendar day"))
    assert "strictest of all clocks" in governor("check", "p.yaml").stderr


def test_without_a_name_the_policy_of_the_settings_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written("config/policy.yaml", POLICY)
    assert "config/policy.yaml: valid" in governor("check").stdout
    written("mine.yaml", POLICY)
    monkeypatch.setenv("GOVERNOR_POLICY", "mine.yaml")
    assert "mine.yaml: valid" in governor("check").stdout


@pytest.mark.parametrize("name", ["policy.yaml", "email-log/policy.yaml"])
def test_the_policies_that_come_with_governor_are_valid_without_a_warning(name: str) -> None:
    result = governor("check", ROOT / "config" / name)
    assert result.exit_code == 0
    assert result.stderr == ""


def test_schemas_are_written_once_and_found_old() -> None:
    assert governor("schema", "--check").exit_code == 1
    assert governor("schema").exit_code == 0
    assert governor("schema", "--check").exit_code == 0
    written("config/policy.schema.json", "{}")
    old = governor("schema", "--check")
    assert old.exit_code == 1
    assert old.stderr.startswith("config/policy.schema.json: ")

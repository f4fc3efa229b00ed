"""How the tests call a command, and the small files that they give to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from governor.cli import main

ROOT = Path(__file__).parents[2]

POLICY = """\
version: 1
defaults: {time_zone: UTC}
categories:
  promotional: {purpose: marketing, basis: [consent]}
caps:
  - {id: one-per-day, match: {category: promotional}, limit: 1, window: 24h, at_cap: suppress}
quiet_hours:
  - {id: day, allow: {mon-sun: "08:00-21:00"}}
"""

MAP = """\
time: {column: at, zone: UTC}
person: who
rows:
  - {when: {what: sent}, as: candidate, set: {campaign: c, category: promotional, channel: email}}
  - {when: {what: [opened, read]}, as: feedback, set: {kind: opened}, of: last_candidate}
"""


def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to *folder*, without settings of the machine, until the test is over."""
    for name in [name for name in os.environ if name.startswith("GOVERNOR_")]:
        if name not in ("GOVERNOR_CACHE", "GOVERNOR_SHARED"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    return folder


def governor(*arguments: str | Path, answer: str | None = None) -> Result:
    """Call the command; an error that it does not expect fails the test."""
    result = CliRunner().invoke(main, [str(one) for one in arguments], input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not result.stderr.startswith("unexpected:"), result.stderr
    return result


def written(path: Path | str, text: str) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def lines(text: str | bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def events(*happened: tuple[str, str, dict[str, Any]]) -> Path:
    """Write events of one person: moment, type, and what is not obvious of the data."""
    made = []
    for number, (at, kind, data) in enumerate(happened, 1):
        about = {"id": f"e-{number}", "person": "p-1", "at": at}
        if kind == "candidate":
            about = {"id": f"m-{number}", "person": "p-1", "created_at": at, "campaign": "c"}
            about |= {"category": "promotional", "channel": "email"}
        if kind == "consent":
            about |= {"action": "grant", "purpose": "marketing", "basis": "consent"}
        made.append(json.dumps({"at": at, "type": kind, "data": {**about, **data}}))
    return written("events.jsonl", "\n".join(made) + "\n")


def shared(name: str) -> Path:
    """Return a file of real input, or skip the test where there is none."""
    folder = Path(os.environ.get("GOVERNOR_SHARED") or ROOT.parent / "shared")
    path = folder / "data" / name
    if not path.exists():
        pytest.skip(
            f"the real log is not here: no `{path.name}` (GOVERNOR_SHARED names the folder)"
        )
    return path

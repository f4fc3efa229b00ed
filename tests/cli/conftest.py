"""Commands are tested in an empty folder and without settings of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import alone


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return alone(tmp_path, monkeypatch)

"""Stages as the whole-gate tests have them, and commands in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import alone
from tests.e2e.conftest import make_stage, stage

__all__ = ["folder", "make_stage", "stage"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder to work in, without settings of the machine."""
    return alone(tmp_path, monkeypatch)

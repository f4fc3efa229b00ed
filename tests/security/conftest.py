"""Stages as the whole-gate tests have them, and commands in an empty folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import make_stage, stage

__all__ = ["folder", "make_stage", "stage"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder to work in, without settings of the machine."""
    for name in [name for name in os.environ if name.startswith("GOVERNOR_")]:
        if name not in ("GOVERNOR_CACHE", "GOVERNOR_SHARED"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path

"""The oracle stands alone: what it finds wrong cannot be wrong with it in the same way."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ORACLE = sorted((Path(__file__).parent / "oracle").glob("*.py"))
OWN = "tests.faults.oracle"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module or ""


@pytest.mark.parametrize("path", ORACLE, ids=lambda path: path.name)
def test_the_oracle_imports_nothing_but_itself_and_the_standard_library(path: Path) -> None:
    strangers = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name != OWN
        and not name.startswith(OWN + ".")
    }
    assert not strangers


def test_there_is_an_oracle_to_look_at() -> None:
    assert {"judge.py", "known.py", "caps.py", "score.py"} <= {path.name for path in ORACLE}

"""The rules of the house that no linter knows: sizes, docstrings, names that must not appear."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "governor").rglob("*.py"))
MADE = {".venv", ".cache", ".git", "__pycache__", "dist"}

# Written in pieces, so that this file does not name them.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "repo.maven." + "apache.org",
    "repo1." + "maven.org",
    "registry." + "npmjs.org",
    "proxy." + "golang.org",
    "deb." + "debian.org",
]
FORBIDDEN = re.compile(
    "|".join(
        [re.escape(host) for host in HOSTS] + ["/" + r"(?:work|farm|root)/", "/tmp/" + "brief"]
    )
)
INVARIANT = re.compile(r"INVARIANT \(([a-z-]+)\)")


def written_files() -> Iterator[Path]:
    for top in sorted(ROOT.iterdir()):
        if top.name in MADE or top.name.endswith("_cache") or top.name == ".hypothesis":
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and not MADE.intersection(path.parts[len(ROOT.parts) :]):
                yield path


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for_and_stays_small(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{name_of(path)}:1: a module starts with what it is for"
    assert text.count("\n") <= 300, f"{name_of(path)}: more than 300 lines; split it"
    long = [
        f"{name_of(path)}:{node.lineno}: `{node.name}` has more than 40 lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 40
    ]
    assert not long, "\n".join(long)


def test_nothing_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in written_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert not found, "\n".join(found)


def test_every_invariant_that_the_code_names_is_named_by_a_test() -> None:
    named = {name for path in MODULES for name in INVARIANT.findall(path.read_text())}
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    missing = [
        name for name in sorted(named) if name not in tests and name.replace("-", "_") not in tests
    ]
    assert not missing

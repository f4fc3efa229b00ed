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


# What judges the product knows nothing of it; the one place where both meet is named.
JUDGES = ["faults/oracle", "reference"]
MEETING = {"reference/test_against_product.py", "reference/compare.py"}


def _imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is named, wherever it is imported, by a call as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "ruff forbids relative imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called in ("__import__", "import_module", "run_module"):
                yield from (ast.unparse(one).strip("'\"") for one in node.args[:1])


def knows_the_product(tests: Path, start: Path) -> list[str]:
    """Name the ways in which a module reaches the product, through other tests as well."""
    found, seen, left = [], {start}, [start]
    while left:
        path = left.pop()
        for name in _imported(ast.parse(path.read_text())):
            parts = name.split(".")
            if parts[0] == "governor":
                found.append(f"{path.relative_to(tests)}: imports {name}")
            if parts[0] != "tests":
                continue
            folder = tests.parent
            for depth in range(1, len(parts) + 1):
                inner = folder.joinpath(*parts[:depth])
                for one in (inner.with_suffix(".py"), inner / "__init__.py"):
                    if one.is_file() and one not in seen:
                        seen.add(one)
                        left.append(one)
    return found


@pytest.mark.parametrize("judge", JUDGES)
def test_what_judges_the_product_knows_nothing_of_it(judge: str) -> None:
    tests = ROOT / "tests"
    paths = [
        path
        for path in sorted((tests / judge).rglob("*.py"))
        if str(path.relative_to(tests)) not in MEETING and not path.name.startswith("test_")
    ]
    assert len(paths) > 5
    assert [one for path in paths for one in knows_the_product(tests, path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import governor",
        "from governor.core import decide",
        "def f():\n    from governor.core.model import Candidate",
        "import importlib\nimportlib.import_module('governor.core')",
        "from tests.other import x",
        "from tests.pack.inner import x",
    ],
)
def test_a_judge_that_knows_the_product_is_found(line: str, tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    (tests / "pack").mkdir(parents=True)
    (tests / "other.py").write_text("from tests.third import x\n")
    (tests / "third.py").write_text("import governor.service\nx = 1\n")
    (tests / "pack" / "__init__.py").write_text("from governor import logs\n")
    (tests / "pack" / "inner.py").write_text("x = 1\n")
    (tests / "judge.py").write_text(f"import json\nfrom tests.plain import y\n{line}\n")
    (tests / "plain.py").write_text("y = 1\n")
    assert knows_the_product(tests, tests / "judge.py")
    (tests / "judge.py").write_text("import json\nfrom tests.plain import y\n")
    assert knows_the_product(tests, tests / "judge.py") == []

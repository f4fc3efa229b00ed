"""YAML made to hurt: bombs of aliases and merges, tags, depth, in policies, folders and maps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from governor.config import PolicyInvalid, load_policy
from governor.convert import InputInvalid, load_map

SMALL = "version: 1\ncategories: {promotional: {purpose: marketing}}\n"


def laughs(width: int, deep: int, line: str = "a{n}: &a{n} [{inner}]\n", leaf: str = "x") -> str:
    text = "a0: &a0 [" + ",".join([leaf] * width) + "]\n"
    for number in range(1, deep):
        text += line.format(n=number, inner=",".join([f"*a{number - 1}"] * width))
    return text


KEYS = ", ".join(f"k{number}: 1" for number in range(500))
BOMBS = {
    "a billion laughs": laughs(9, 12),
    "a wide list of wide lists": "a: &a [" + "x," * 400 + "]\nb: [" + "*a," * 400 + "]\n",
    "keys taken over again and again": f"a: &a {{{KEYS}}}\nb: {{<<: [{'*a,' * 400}]}}\n",
    "keys taken over in steps": "".join(
        f"a{n}: &a{n} {{<<: [{f'*a{n - 1},' * 300}], k{n}: 1}}\n" if n else f"a0: &a0 {{{KEYS}}}\n"
        for n in range(5)
    ),
    "an alias inside itself": "a: &a [*a]\n",
    "a key inside itself": "a: &a {<<: *a}\n",
    "an alias of nothing": "a: *b\n",
    "depth": "a: " + "[" * 500 + "\n",
    "depth in keys": "a: " + "{a: " * 500 + "\n",
    "depth through aliases": "".join(
        f"a{n}: &a{n} [*a{n - 1}]\n" if n else "a0: &a0 [x]\n" for n in range(60)
    ),
    "code": "!!python/object/apply:os.system [echo]\n",
    "code in a value": "version: !!python/name:os.system\n",
    "two documents": SMALL + "---\n" + SMALL,
    "half a character": 'version: 1\ncategories: {"a\\ud800": {purpose: x}}\n',
    "half a character for a value": 'version: 1\ncategories: {a: {purpose: "\\udfff"}}\n',
    "a number without end": "version: " + "9" * 50_000 + "\n",
    "a fraction without end": "version: 1." + "0" * 50_000 + "1e99999999\n",
    "no number": "version: .nan\n",
}


def refused(read: Callable[[], object], file: Path) -> list[str]:
    began = time.process_time()
    told: list[str] = []
    try:
        read()
    except (PolicyInvalid, InputInvalid) as error:
        told += [str(defect) for defect in error.defects]
    assert told
    assert time.process_time() - began < 10
    assert all(one.startswith(f"{file}:") and one.isprintable() for one in told)
    return told


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_bounded_time_and_with_its_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(BOMBS[name])
    assert refused(lambda: load_policy(file), file)
    assert refused(lambda: load_map(file), file)


def test_aliases_are_counted_as_if_they_were_written_out(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    for name in (
        "a billion laughs",
        "a wide list of wide lists",
        "keys taken over again and again",
    ):
        file.write_text(BOMBS[name])
        assert "more than 100000 values" in refused(lambda: load_policy(file), file)[-1]


def test_a_bomb_in_one_file_refuses_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text(BOMBS["a billion laughs"])
    refused(lambda: load_policy(tmp_path), tmp_path / "b.yaml")


def test_yaml_means_what_it_says_and_nothing_more(tmp_path: Path) -> None:
    """No dates, no octal surprises, no yes for true: a name stays a name."""
    file = tmp_path / "p.yaml"
    names = ["yes", "off", "2026-05-05", "1_000", "1:30", "=", "<", "0b1"]
    text = "version: 1\ncategories:\n" + "".join(f"  {n}: {{purpose: {n}}}\n" for n in names)
    file.write_text(text)
    found = load_policy(file).categories
    assert {name: one.purpose for name, one in found.items()} == dict(
        zip(names, names, strict=True)
    )

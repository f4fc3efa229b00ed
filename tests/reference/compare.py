"""Hold the product's simulate against the reference, seed by seed, and shrink what differs."""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import runpy
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.reference.histories import history
from tests.reference.reference import Reference
from tests.reference.times import parse_time

Policy = dict[str, Any]
Events = list[dict[str, Any]]
Line = dict[str, Any]
FIELDS = [
    "message",
    "outcome",
    "final",
    "variant",
    "channel",
    "code",
    "eligible_at",
    "attempt",
    "decided_at",
]
TIMES = {"eligible_at", "decided_at"}
NEAR = 0.0001


class ProductRefused(Exception):
    """The product ended with an exit code other than 0."""


def run_product(policy: Policy, events: Events, *, apart: bool) -> tuple[list[Line], int]:
    """What the product's simulate decides, and how many lines it put aside."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, name) for name in ("policy.yaml", "events", "out", "dead")}
        paths["policy.yaml"].write_text(yaml.safe_dump(policy, sort_keys=False))
        paths["events"].write_text("".join(json.dumps(event) + "\n" for event in events))
        arguments = ["simulate", "--policy", str(paths["policy.yaml"])]
        arguments += ["--events", str(paths["events"]), "--out", str(paths["out"])]
        arguments += ["--dead-letters", str(paths["dead"])]
        code, words = (_apart if apart else _in_process)(arguments)
        if code != 0:
            raise ProductRefused(f"exit code {code}\n{words}")
        lines = [json.loads(line) for line in paths["out"].read_text().splitlines()]
        dead = paths["dead"].read_text().splitlines() if paths["dead"].exists() else []
        return lines, len(dead)


def _apart(arguments: list[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "governor", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def _in_process(arguments: list[str]) -> tuple[int, str]:
    words, before = io.StringIO(), sys.argv
    sys.argv = ["governor", *arguments]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
            runpy.run_module("governor", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
    return (code if isinstance(code, int) else 1), words.getvalue()


def essence(line: Line) -> tuple[Any, ...]:
    """The fields that must agree, times as milliseconds."""
    return tuple(
        parse_time(line[name]) if name in TIMES and line.get(name) else line.get(name)
        for name in FIELDS
    )


def agree(mine: Line, theirs: Line) -> bool:
    """Whether two decisions say the same, points as near as they are written."""
    points = [line.get("intrusiveness") or {} for line in (mine, theirs)]
    return (
        essence(mine) == essence(theirs)
        and points[0].keys() == points[1].keys()
        and all(abs(points[1][part] - value) < NEAR for part, value in points[0].items())
    )


def by_person(lines: list[Line]) -> dict[str, list[Line]]:
    """The decisions of each person, in order."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[line["person"]].append(line)
    return found


def difference(policy: Policy, events: Events, *, apart: bool = False) -> str | None:
    """The first place where the two disagree, in words, None where they agree."""
    reference = Reference(policy, with_findings=False)
    reference.run(events)
    try:
        lines, dead = run_product(policy, events, apart=apart)
    except ProductRefused as refused:
        return f"the product refused: {refused}"
    expected, actual = by_person(reference.decisions), by_person(lines)
    for person in sorted(set(expected) | set(actual)):
        text = _first_difference(person, expected[person], actual[person])
        if text:
            return text
    if dead != len(reference.dead_letters):
        reasons = [(reason, event["data"]) for reason, event in reference.dead_letters]
        return f"dead letters: expected {len(reasons)} {reasons}, got {dead}"
    return None


def _first_difference(person: str, expected: list[Line], actual: list[Line]) -> str | None:
    for index in range(max(len(expected), len(actual))):
        mine = expected[index] if index < len(expected) else None
        theirs = actual[index] if index < len(actual) else None
        if mine and theirs and agree(mine, theirs):
            continue
        message = (mine or theirs or {})["message"]
        earlier = [_short(line) for line in expected[:index] if line["message"] == message]
        text = f"{person}, decision {index}\n"
        text += "".join(f"  before    {line}\n" for line in earlier)
        text += f"  reference {_short(mine)}\n  product   {_short(theirs)}"
        if theirs:
            text += f"\n  product's findings {json.dumps(theirs.get('findings'))}"
        return text
    return None


def _short(line: Line | None) -> str:
    if line is None:
        return "nothing"
    return " ".join(f"{name}={line.get(name)}" for name in FIELDS)


def shrink(
    policy: Policy, events: Events, differs: Callable[[Policy, Events], bool]
) -> tuple[Policy, Events]:
    """Leave out events, then parts of the policy, as long as a difference remains."""
    size = max(1, len(events) // 2)
    while size:
        start = 0
        while start < len(events):
            fewer = events[:start] + events[start + size :]
            if differs(policy, fewer):
                events = fewer
            else:
                start += size
        size //= 2
    shrunk = True
    while shrunk:
        shrunk = False
        for path in _paths(policy):
            less = _without(policy, path)
            if differs(less, events):
                policy, shrunk = less, True
                break
    return policy, events


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    kept: set[tuple[Any, ...]] = {("version",), ("categories",), ("defaults",)}
    kept |= {("defaults", "country"), ("defaults", "time_zone")}
    found = [(*at, key) for key in keys if (*at, key) not in kept]
    return found + [path for key in keys for path in _paths(value[key], (*at, key))]


def _without(policy: Policy, path: tuple[Any, ...]) -> Policy:
    less = copy.deepcopy(policy)
    inner: Any = less
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return less


def same_kind(first: str | None, second: str | None) -> bool:
    """Whether a smaller case still shows a difference of the kind that is being shrunk."""
    if first is None or second is None:
        return False
    return first.startswith("the product refused") == second.startswith("the product refused")


def _tried(policy: Policy, events: Events, *, apart: bool) -> str | None:
    try:
        return difference(policy, events, apart=apart)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def show(seed: int, *, wide: bool, apart: bool, small: bool) -> bool:
    """Compare one seed and print the difference, shrunk if asked; True where they agree."""
    policy, events = history(seed, wide=wide)
    found = difference(policy, events, apart=apart)
    if found is None:
        return True
    if small:
        policy, events = shrink(
            policy, events, lambda p, e: same_kind(found, _tried(p, e, apart=apart))
        )
        found = difference(policy, events, apart=apart)
    print(f"== seed {seed}{' wide' if wide else ''}\n{found}")
    if small:
        print(yaml.safe_dump(policy, sort_keys=False))
        print("\n".join(json.dumps(event) for event in events))
    return False


def main(arguments: list[str] | None = None) -> int:
    """Compare a range of seeds; 1 where some differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, help="not included")
    parser.add_argument("--wide", action="store_true", help="with the sections of the second step")
    parser.add_argument("--apart", action="store_true", help="a process of its own for each run")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--all", action="store_true", help="go on after the first difference")
    options = parser.parse_args(arguments)
    differing = []
    for seed in range(options.first, options.last):
        if not show(seed, wide=options.wide, apart=options.apart, small=options.shrink):
            differing.append(seed)
            if not options.all:
                break
    print(f"{len(differing)} differ {differing}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())

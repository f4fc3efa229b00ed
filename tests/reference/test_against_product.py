"""The product decides what the reference decides, on random histories that sit on the borders."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from governor.core.policy import Policy
from governor.simulate import read_events, simulate
from tests.reference.compare import Events, Line, by_person, essence
from tests.reference.histories import history
from tests.reference.households import shared_history
from tests.reference.reference import Reference
from tests.reference.times import parse_time
from tests.reference.wilder import wilder_history

EVERYDAY = 150
AT_ONCE = 25
DEEP = range(int(os.environ.get("GOVERNOR_SEEDS", "4000")))


def played(policy: dict[str, Any], events: Events, folder: Path) -> tuple[list[Line], int]:
    """Return what the product's simulation decides, and how many events it put aside."""
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    lines: list[bytes] = []
    dead: list[bytes] = []
    simulate(
        Policy.model_validate(policy), read_events(path), lines.append, dead_letters=dead.append
    )
    return [json.loads(line) for line in lines], len(dead)


def made(
    seed: int, *, wide: bool = False, shared: bool = False, wilder: bool = False
) -> tuple[dict[str, Any], Events]:
    """Return the history of a seed, without a mode for a quota that its policy does not have."""
    make = shared_history if shared else history
    policy, events = wilder_history(seed, wide=wide, made=make) if wilder else make(seed, wide=wide)
    quotas = any("quota" in category for category in policy["categories"].values())
    if not quotas and "modes" in policy:
        policy["modes"] = {k: v for k, v in policy["modes"].items() if k != "caps.quota"}
    return policy, events


def disagreement(policy: dict[str, Any], events: Events, lines: list[Line], dead: int) -> str:
    """Say whose decisions differ from those of the reference, nothing where none do."""
    reference = Reference(policy, with_findings=False)
    reference.run(events)
    expected, actual = by_person(reference.decisions), by_person(lines)
    for person in sorted({*expected, *actual}):
        mine, theirs = expected[person], actual[person]
        alike = len(mine) == len(theirs) and all(map(_alike, mine, theirs))
        if not alike:
            shown = [[essence(line) for line in lines] for lines in (mine, theirs)]
            return f"{person}: {shown[0]} is not {shown[1]}"
    letters = len(reference.dead_letters)
    return "" if dead == letters else f"{dead} dead letters, not {letters}"


def _alike(mine: Line, theirs: Line) -> bool:
    """Tell whether two decisions are the same, their points to the four digits of the wire."""
    bare = [essence({**line, "intrusiveness": None}) for line in (mine, theirs)]
    points, shown = mine.get("intrusiveness"), theirs.get("intrusiveness")
    if bare[0] != bare[1] or points is None or shown is None:
        return bare[0] == bare[1] and points is shown
    return all(math.isclose(points[part], shown[part], abs_tol=1e-4) for part in points)


def agreed(seed: int, folder: Path, **form: bool) -> None:
    """Hold both against each other, decision by decision of each person."""
    policy, events = made(seed, **form)
    found = disagreement(policy, events, *played(policy, events, folder))
    assert not found, f"seed {seed}: {found}"


@pytest.mark.parametrize("first", range(0, EVERYDAY, AT_ONCE))
def test_the_product_decides_what_the_reference_decides(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + AT_ONCE):
        agreed(seed, tmp_path)


@pytest.mark.parametrize("first", range(0, EVERYDAY, AT_ONCE))
def test_the_product_counts_households_as_the_reference_does(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + AT_ONCE):
        agreed(seed, tmp_path, shared=True)


@pytest.mark.parametrize("first", range(0, EVERYDAY, AT_ONCE))
def test_the_product_decides_what_the_reference_decides_in_odd_places_and_words(
    first: int, tmp_path: Path
) -> None:
    for seed in range(first, first + AT_ONCE):
        agreed(seed, tmp_path, wilder=True, wide=seed % 5 == 0, shared=seed % 5 == 1)


@pytest.mark.parametrize("wide", [False, True])
def test_the_product_finds_what_the_reference_finds(tmp_path: Path, *, wide: bool) -> None:
    for seed in range(15, 23):
        policy, events = made(seed, wide=wide)
        reference = Reference(policy)
        reference.run(events)
        lines, _ = played(policy, events, tmp_path)
        expected, actual = by_person(reference.decisions), by_person(lines)
        for person in {*expected, *actual}:
            assert _found(expected[person]) == _found(actual[person]), f"{seed} {person}"


def _found(lines: list[Line]) -> list[list[tuple[Any, ...]]]:
    """Return what each decision says does not pass, in order, and when it would."""
    return [
        [
            (
                *(one[name] for name in ("rule", "id", "variant", "outcome", "code", "enforced")),
                one["eligible_at"] and parse_time(one["eligible_at"]),
            )
            for one in line["findings"]
            if one["outcome"] != "release"
        ]
        for line in lines
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "deep", reason="only with HYPOTHESIS_PROFILE=deep"
)
@pytest.mark.parametrize("wilder", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_the_product_decides_what_the_reference_decides_on_thousands(
    tmp_path: Path, *, wide: bool, shared: bool, wilder: bool
) -> None:
    for seed in DEEP:
        agreed(EVERYDAY + seed, tmp_path, wide=wide, shared=shared, wilder=wilder)


def test_a_difference_is_seen(tmp_path: Path) -> None:
    (policy, events), (other, _) = made(7), made(8)
    lines, dead = played(policy, events, tmp_path)
    assert disagreement(policy, events, lines, dead) == ""
    assert disagreement(policy, events, lines, dead + 1) == f"{dead + 1} dead letters, not {dead}"
    assert "is not" in disagreement(policy, events, lines[:-1], dead)
    assert "is not" in disagreement(policy, events, *played(other, events, tmp_path))

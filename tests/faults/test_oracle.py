"""The oracle stands alone: what it finds wrong cannot be wrong with it in the same way."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.oracle.caps import Send
from tests.faults.oracle.records import Json
from tests.faults.oracle.rules import Message, Rules
from tests.faults.oracle.score import Score, score_of

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


def scored(
    channel: str,
    at: int = 0,
    before: tuple[Send, ...] = (),
    feedback: tuple[Json, ...] = (),
    profile: Json | None = None,
    **variant: Any,
) -> Score:
    message = Message("promotional", "spring", channel, "shoes", variant=variant)
    score = score_of(RULES, message, at, at, before, feedback, profile)
    assert score is not None
    return score


RULES = Rules(
    {
        "defaults": {"time_zone": "UTC"},
        "categories": {"promotional": {"purpose": "marketing"}},
        "quiet_hours": [{"match": {"channel": "call"}, "allow": {"mon-sun": "08:00-20:00"}}],
        "intrusiveness": {"half_life": "1h"},
    }
)
HOUR = 3_600_000
HEALTH: Json = {"uses": [{"attribute": "health", "source": "inferred"}]}


def test_the_oracle_reckons_exposure_as_by_hand() -> None:
    assert scored("email").exposure == pytest.approx(6.0)
    assert scored("call", 12 * HOUR, **HEALTH).exposure == pytest.approx(20 * 1.6 * 1.8)
    near = scored("call", 19 * HOUR, **HEALTH)
    assert near.exposure == pytest.approx(20 * 1.6 * 1.8 * 1.5)
    assert scored("call", 19 * HOUR - 1).exposure == pytest.approx(20.0)
    assert scored("call", 9 * HOUR).exposure == pytest.approx(20.0)
    assert scored("call", 9 * HOUR - 1).exposure == pytest.approx(30.0)
    known: Json = {
        "uses": [{"attribute": "name", "source": "declared"}],
        "justification": "you said so",
    }
    d = 3 / 5 * 0.7 - 0.1
    assert scored("push", **known).exposure == pytest.approx(10 * (1 + 0.6 * d) * (1 + 0.4 * d))


def test_the_oracle_reckons_pressure_and_repeats_as_by_hand() -> None:
    message = Message("promotional", "spring", "email", "shoes")
    sent = tuple(Send(f"m-{at}", at * HOUR, at, message, True, 8.0) for at in (0, 1))
    now = scored("email", 2 * HOUR, sent)
    assert now.pressure == pytest.approx(8 / 4 + 8 / 2)
    assert now.exposure == pytest.approx(6 * 1.5)


def test_the_oracle_reckons_the_ceiling_as_by_hand() -> None:
    told = tuple(
        {"kind": kind, "at": f"1970-01-01T0{hour}:00:00Z"}
        for hour, kind in enumerate(["too_much", "clicked", "clicked"])
    )
    assert scored("email", 0).ceiling == 60.0
    assert scored("email", HOUR, feedback=told[:1]).ceiling == pytest.approx(42.0, rel=1e-3)
    assert scored("email", 3 * HOUR, feedback=told).ceiling == pytest.approx(60 * 0.74, rel=1e-3)
    glad = {"comfort": {"level": "low"}}
    assert scored("email", 3 * HOUR, feedback=told[1:], profile=glad).ceiling == 30.0

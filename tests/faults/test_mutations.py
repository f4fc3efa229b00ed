"""Every deliberate bug is noticed: what says yes to everything proves nothing."""

from __future__ import annotations

import pytest

from tests.faults.mutations import MUTATIONS, NAMED
from tests.faults.mutations_table import noticed

SIGNS = [
    *("no-version-check", "counted-at-delivery", "acknowledged-before-delivery"),
    *("woken-without-judging", "objection-lifted-by-a-grant", "tie-goes-to-the-grant"),
    "clock-not-looked-at",
]


@pytest.mark.parametrize("name", SIGNS)
def test_a_deliberate_bug_is_noticed(name: str) -> None:
    assert noticed(name)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(set(MUTATIONS) - set(SIGNS)))
def test_every_other_deliberate_bug_is_noticed(name: str) -> None:
    assert noticed(name)


def test_every_bug_that_a_named_test_notices_is_one() -> None:
    assert set(NAMED) <= set(MUTATIONS)
    assert len(MUTATIONS) >= 25

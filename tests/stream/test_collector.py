"""The cyclic collector looks rarely, and still finds what refers to itself."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from governor.collector import collect_rarely


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Knot:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def made(count: int) -> list[list[object]]:
    return [[number] for number in range(count)]


def test_what_refers_to_itself_outlives_a_batch_and_not_many() -> None:
    collect_rarely()
    knot = weakref.ref(Knot())
    batch = made(100_000)
    assert knot() is not None
    more = made(200_000)
    assert knot() is None
    assert len(batch) + len(more) == 300_000


def test_what_is_there_at_the_start_is_not_looked_at_again() -> None:
    collect_rarely()
    assert gc.get_freeze_count() > 10_000

"""Answers that hold for a while, so that what is slow to find out is asked once in that while."""

from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_REMEMBERED = 4096


class Spell(NamedTuple, Generic[T]):
    """An answer that holds from `since` until `until` (ms, the end excluded)."""

    since: int
    until: int
    answer: T


class Lasting(Generic[K, T]):
    """Remembers the last answer about each thing for as long as it holds.

    For the calendar: a person's zones take ten times as long to ask, and hold for hours.
    """

    def __init__(self, ask: Callable[[K, int], Spell[T]]) -> None:
        self._ask = ask
        self._known: dict[K, Spell[T]] = {}

    def at(self, about: K, at: int) -> T:
        """Return what holds of *about* at *at* (ms)."""
        known = self._known.get(about)
        if known is None or not known[0] <= at < known[1]:
            known = self._ask(about, at)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[about] = known
        return known[2]

"""The ledger in memory: the reference for every other, and what `simulate` runs on."""

import heapq
from collections.abc import AsyncIterator, Sequence

from governor.core.household import Household
from governor.core.standing import STRANGER, ControlState, Standing
from governor.ledger.protocol import Change, HouseholdChange, earliest_wake
from governor.ledger.put_by import PutBy

_PAGE = 500
_SLACK = 64


class MemoryLedger:
    """A ledger for one process that forgets everything with it.

    Nothing here awaits, so every call is atomic. A claimed key is leased to nobody: it comes
    back with every claim until a commit moves its hint.
    """

    def __init__(self) -> None:
        self._standings = PutBy()
        self._households: dict[str, Household] = {}
        self._control = ControlState()
        self._due: dict[str, int] = {}
        # May also hold what is out of date: only what _due confirms is due.
        self._heap: list[tuple[int, str]] = []

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Return the control in force and the standing of each key."""
        standings = self._standings
        return self._control, [standings.get(key, STRANGER) for key in keys]

    def keys(self) -> list[str]:
        """Return the key of every person."""
        return list(self._standings)

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written."""
        return [self._write(change) for change in changes]

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        """Write *state* if the version *expected* still stands."""
        if self._control.version != expected:
            return False
        self._control = state
        return True

    async def households(self, keys: Sequence[str]) -> list[Household]:
        """Return the household of each key."""
        return [self._households.get(key, Household()) for key in keys]

    def household_keys(self) -> list[str]:
        """Return the key of every household."""
        return list(self._households)

    async def commit_households(self, changes: Sequence[HouseholdChange]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written."""
        written = []
        for change in changes:
            known = self._households.get(change.key, Household())
            written.append(known.version == change.expected)
            if written[-1]:
                self._households[change.key] = change.household
        return written

    async def claim(self, until: int, limit: int) -> list[str]:
        """Return up to *limit* keys with a message due at *until* (ms) or before, soonest first."""
        claimed: dict[str, int] = {}
        while len(claimed) < limit:
            wake = self._first()
            if wake is None or wake > until:
                break
            claimed[heapq.heappop(self._heap)[1]] = wake
        for key, wake in claimed.items():
            heapq.heappush(self._heap, (wake, key))
        return list(claimed)

    async def next_due(self) -> int | None:
        """Return the earliest moment (ms) at which something is due."""
        return self._first()

    async def waiting(self) -> AsyncIterator[list[str]]:
        """Yield, in pages, every key that has something waiting."""
        keys = list(self._due)
        for start in range(0, len(keys), _PAGE):
            yield keys[start : start + _PAGE]

    def _write(self, change: Change) -> bool:
        if self._standings.get(change.key, STRANGER).version != change.expected:
            return False
        self._standings.put(change.key, change.standing)
        wake = earliest_wake(change.standing)
        if wake is None:
            self._due.pop(change.key, None)
        elif self._due.get(change.key) != wake:
            self._due[change.key] = wake
            heapq.heappush(self._heap, (wake, change.key))
            self._tidy()
        return True

    def _first(self) -> int | None:
        heap, due = self._heap, self._due
        while heap and due.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(wake, key) for key, wake in self._due.items()]
            heapq.heapify(self._heap)

"""What governor asks of the place where standings are kept."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from governor.core.household import Household
from governor.core.standing import ControlState, Standing


class LedgerUnavailable(Exception):
    """The ledger cannot be reached or cannot be trusted; nothing may be released."""


class LedgerUnfit(LedgerUnavailable):
    """The ledger answers and is set up so that it must not be used; waiting does not help."""


class Change(msgspec.Struct, frozen=True):
    """A person's next standing, to be written only over the version that it was made from."""

    key: str
    expected: int
    standing: Standing


class HouseholdChange(msgspec.Struct, frozen=True):
    """A household's next state, to be written only over the version that it was made from."""

    key: str
    expected: int
    household: Household


def earliest_wake(standing: Standing) -> int | None:
    """Return when the first of what waits is to be judged at the latest."""
    if not standing.waiting:
        return None
    return min(waiting.wake_at for waiting in standing.waiting)


class Ledger(Protocol):
    """A store of one standing per person, of the control state, and of what is due.

    A key is a person's pseudonym. Every method raises LedgerUnavailable when its answer cannot
    be known; a commit may then have happened or not, which the version check makes harmless.
    """

    async def load(self, keys: Sequence[str]) -> tuple[ControlState, list[Standing]]:
        """Return the control in force and the standing of each key, in one round trip."""

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written.

        One change is written as a whole or not at all, also across a crash. When the standing
        has waiting messages, a hint of the earliest `wake_at` is in the due index before.
        """

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        """Write *state* if the version *expected* still stands."""

    async def households(self, keys: Sequence[str]) -> list[Household]:
        """Return the household of each key, in one round trip; a key is a pseudonym too."""

    async def commit_households(self, changes: Sequence[HouseholdChange]) -> list[bool]:
        """Write each change whose `expected` version still stands; tell which were written."""

    async def claim(self, until: int, limit: int) -> list[str]:
        """Return keys with a message due at *until* (ms) or before, soonest first: about *limit*.

        Fewer than *limit* only when no more are due now.
        A claimed key is not given to others for a short while, and comes back afterwards unless
        a commit has moved or removed its hint. It may be stale: the standing decides.
        """

    async def next_due(self) -> int | None:
        """Return the earliest moment (ms) in the due index."""

    def waiting(self) -> AsyncIterator[list[str]]:
        """Yield, in pages, every key that may have something waiting."""

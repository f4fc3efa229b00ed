"""The households of one batch of turns, each turn seeing what those before it have reserved."""

from collections import defaultdict
from collections.abc import Mapping

from governor.core.household import Household
from governor.core.standing import Entry


class HouseholdsMissingError(Exception):
    """Something was judged without the households that it takes; it must not be used."""


class Shared:
    """The households of one batch as its turns leave them, each turn seeing those before it.

    `touched` names for each person the messages that may have a slot, as (household, message).
    `told` are releases of which feedback in this batch has told, by household and slot.
    """

    def __init__(self, loaded: Mapping[str, Household]) -> None:
        self._loaded = loaded
        self._now = dict(loaded)
        self.missing: set[str] = set()
        self.touched: dict[str, dict[tuple[str, int], None]] = defaultdict(dict)
        self.told: dict[str, dict[int, Entry]] = defaultdict(dict)

    def get(self, name: str) -> Household:
        """Return a household; one that is not loaded is noted, and spoils the batch."""
        found = self._now.get(name)
        if found is None:
            self.missing.add(name)
            return Household()
        return found

    def put(self, name: str, household: Household) -> None:
        """Let the turns to come see *household* so."""
        self._now[name] = household

    def changed(self) -> dict[str, Household]:
        """Return the households in which something was reserved.

        INVARIANT (fail-closed): nothing can be reserved, and so nothing released, on a household
        that was not loaded.
        """
        if self.missing:
            raise HouseholdsMissingError(", ".join(sorted(self.missing)))
        return {
            name: household
            for name, household in self._now.items()
            if household is not self._loaded.get(name)
        }

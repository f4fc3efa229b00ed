"""What one person's turn sees of households, and what it takes there."""

from operator import attrgetter

from governor.core import model
from governor.core.household import Household, reserve, slot_id
from governor.core.incoming import Incoming
from governor.core.setting import Setting
from governor.core.shared import HouseholdsMissingError, Shared
from governor.core.standing import Entry, Standing, name64

_SETTLING = ("bounced", "failed", "delivered")


class Sharing:
    """One person's part in the households of the batch; `seq` is the version that was loaded."""

    def __init__(self, setting: Setting, person: str, seq: int) -> None:
        self._alias = setting.alias
        self._person = person
        self._seq = seq
        self._shared: Shared | None = None
        self._before: dict[str, Household] = {}
        if setting.policy.by_household:
            if setting.shared is None:
                raise HouseholdsMissingError("none is loaded, and the policy counts by household")
            self._shared = setting.shared

    def name(self, incoming: Incoming, standing: Standing) -> str | None:
        """Name the household that a candidate is for: its own before the profile's."""
        named, profile = incoming.candidate.household, standing.profile
        if named is not None:
            return self._alias(named)
        return profile.household if profile else None

    def log(
        self, incoming: Incoming, standing: Standing, *messages: int
    ) -> tuple[Entry, ...] | None:
        """Return the releases to its household but for *messages*; None where none counts."""
        name = self.name(incoming, standing) if self._shared is not None else None
        if self._shared is None or name is None:
            return None
        for message in messages:
            self._touch(name, message)
        own = {slot_id(self._person, message) for message in messages}
        told = self._shared.told.get(name, {})
        log = self._shared.get(name).log(own | told.keys())
        heard = [entry for slot, entry in told.items() if slot not in own]
        return tuple(sorted((*log, *heard), key=attrgetter("at"))) if heard else log

    def take(self, entry: Entry) -> None:
        """Reserve a slot for a release that is about to be written down."""
        if self._shared is not None and entry.household is not None and entry.counts:
            self._touch(entry.household, entry.message)
            household = self._shared.get(entry.household)
            self._before.setdefault(entry.household, household)
            after = reserve(household, self._person, entry, self._seq)
            self._shared.put(entry.household, after)

    def undo(self) -> None:
        """Leave every household as it was before this turn, which comes to nothing."""
        for name, household in self._before.items():
            if self._shared is not None:
                self._shared.put(name, household)

    def told(self, fact: model.Fact, standing: Standing) -> None:
        """Let everybody in the batch see what became of a slot by *fact*, which is in *standing*.

        The household itself hears of it after the commit, and what is judged at this very moment
        has to count what was told before. Should the commit be lost, the fact comes again.
        """
        shared = self._shared
        if shared is None or not isinstance(fact, model.Feedback) or fact.kind not in _SETTLING:
            return
        entry = standing.released(name64(fact.message))
        if entry is not None and entry.household is not None:
            self._touch(entry.household, entry.message)
            if entry.counts:
                shared.told[entry.household][slot_id(self._person, entry.message)] = entry

    def _touch(self, name: str, message: int) -> None:
        if self._shared is not None:
            self._shared.touched[self._person][name, message] = None

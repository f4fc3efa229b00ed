"""The households that one batch has to do with: loaded, reserved in, committed with, settled."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from governor.core.household import Hold, Household, Slot, drop, forget, overdue, settle
from governor.core.policy import Policy
from governor.core.setting import Turn
from governor.core.shared import Shared
from governor.core.standing import Standing
from governor.ledger.protocol import Change, HouseholdChange, Ledger, LedgerUnavailable

T = TypeVar("T")
Told = tuple[str, int, Standing]

_ATTEMPTS = 100
_NOTHING = Shared({})
_PAGE = 500

replace = msgspec.structs.replace


def named(
    turns: Sequence[Turn], standings: Sequence[Standing], alias: Callable[[str], str]
) -> set[str]:
    """Return the households that new candidates name, and the profiles of who may get something."""
    names = set()
    for turn, standing in zip(turns, standings, strict=True):
        candidates = (incoming.candidate for incoming in turn.fresh)
        names |= {alias(one.household) for one in candidates if one.household is not None}
        profile = standing.profile
        if profile and profile.household and (turn.fresh or standing.waiting):
            names.add(profile.household)
    return names


async def tell_again(
    ledger: Ledger, policy: Policy, people: Iterable[str], now: int | None
) -> None:
    """Write into the households what the standings of *people* tell; twice changes nothing.

    With *now* (ms), what was retained for long enough by then is left out.
    """
    households = Households(ledger, policy, forgets=now is not None)
    keys = sorted(people) if policy.by_household else []
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        await households.open(now or 0)
        told: dict[str, list[Told]] = defaultdict(list)
        _control, standings = await ledger.load(page)
        for key, standing in zip(page, standings, strict=True):
            for entry in standing.log:
                if entry.household is not None:
                    told[entry.household].append((key, entry.message, standing))
        await households.settle(told)


class Households:
    """What one batch sees of households, from its first attempt to its last.

    A release takes its slot in the household before it is written down for the person, and the
    slot is settled after. Both are separate records: whoever dies in between leaves a reservation,
    which the repeat of the message finds, and which anybody may ask after once its time is over.

    Where the policy does not count by household, this is a load and a commit and nothing else.
    """

    def __init__(self, ledger: Ledger, policy: Policy, *, forgets: bool) -> None:
        self._ledger = ledger
        self.policy = policy
        self._forgets = forgets
        self._now = 0
        self._counts = policy.by_household
        self._loaded: dict[str, Household] = {}
        self._shared = _NOTHING
        # What attempts that were overtaken may have reserved, by person.
        self._owed: dict[str, set[tuple[str, int]]] = {}

    async def open(self, now: int, names: Iterable[str] = ()) -> None:
        """Begin an attempt as of *now* (ms): load the households with these *names*."""
        self._now = now
        self._loaded.clear()
        if self._counts:
            await self._load(names)

    async def decide(self, judge: Callable[[Shared], T]) -> T:
        """Judge, once more whenever it turns out to take a household that is not loaded."""
        if not self._counts:
            return judge(self._shared)
        while True:
            self._shared = Shared(self._loaded)
            decided = judge(self._shared)
            if not self._shared.missing:
                return decided
            await self._load(self._shared.missing)

    async def commit(self, pairs: Mapping[str, tuple[Standing, Standing]]) -> set[str]:
        """Write what became of each person's standing; return who was overtaken.

        INVARIANT (never-above-a-cap): whoever has looked at a household in which nothing could be
        reserved any more is overtaken too, because those before them in the batch may not have
        got what they saw them take.
        """
        gone = await self._reserve() if self._counts else set()
        touched = self._shared.touched
        lost = {key for key, mine in touched.items() if any(name in gone for name, _ in mine)}
        changes = [
            Change(key, before.version, after)
            for key, (before, after) in pairs.items()
            if after.version != before.version and key not in lost
        ]
        written = await self._ledger.commit(changes) if changes else []
        lost |= {change.key for change, won in zip(changes, written, strict=True) if not won}
        if self._counts:
            await self.settle(self._done(pairs, lost))
        return lost

    def _done(
        self, pairs: Mapping[str, tuple[Standing, Standing]], lost: Collection[str]
    ) -> dict[str, list[Told]]:
        """Return what each household is to be told; those who are *lost* go on owing it."""
        done: dict[str, list[Told]] = defaultdict(list)
        for key, (_, after) in pairs.items():
            mine = {*self._shared.touched.get(key, ()), *self._owed.pop(key, ())}
            if key in lost:
                self._owed[key] = mine
                continue
            for name, message in mine:
                done[name].append((key, message, after))
        return done

    async def settle(self, done: Mapping[str, Sequence[Told]]) -> None:
        """Make slots as the standings tell: of reservations too, or give those back.

        *done* names for each household who got a message, which, and their standing.
        """

        def settled(name: str, household: Household) -> Household:
            for key, message, standing in done[name]:
                household = settle(household, name, key, message, standing)
            return household

        await self._rewrite({name: self._loaded.get(name) for name in done}, settled)

    async def _load(self, names: Iterable[str]) -> None:
        """Load households, and ask after what was reserved in them too long ago."""
        wanted = sorted(set(names) - set(self._loaded))
        if not wanted:
            return
        found = await self._ledger.households(wanted)
        for name, household in zip(wanted, found, strict=True):
            late = overdue(household, self._now)
            self._loaded[name] = await self._ask_after(name, late) if late else household

    async def _reserve(self) -> set[str]:
        """Write what was reserved; return the households that others have changed meanwhile."""
        changed = self._shared.changed()
        if not changed:
            return set()
        changes = [
            HouseholdChange(name, self._loaded[name].version, self._as_of_now(household))
            for name, household in changed.items()
        ]
        written = await self._ledger.commit_households(changes)
        gone = {change.key for change, won in zip(changes, written, strict=True) if not won}
        self._loaded.update({one.key: one.household for one in changes if one.key not in gone})
        return gone

    async def _rewrite(
        self,
        known: Mapping[str, Household | None],
        change: Callable[[str, Household], Household],
    ) -> dict[str, Household]:
        """Change each household as it is; *known* is how it was when we last saw it."""
        result: dict[str, Household] = {}
        for _ in range(_ATTEMPTS):
            unknown = [name for name, household in known.items() if household is None]
            found = await self._ledger.households(unknown) if unknown else []
            current = {**known, **dict(zip(unknown, found, strict=True))}
            changes = []
            for name, before in current.items():
                if before is not None:
                    result[name] = change(name, before)
                    if result[name] is not before:
                        after = self._as_of_now(result[name])
                        changes.append(HouseholdChange(name, before.version, after))
            written = await self._ledger.commit_households(changes) if changes else []
            known = {one.key: None for one, won in zip(changes, written, strict=True) if not won}
            if not known:
                return result
        raise LedgerUnavailable("a household changes faster than it can be written")

    async def _ask_after(self, name: str, late: Sequence[tuple[Slot, Hold]]) -> Household:
        """Find out what came of reservations whose time is over, and free those without a release.

        INVARIANT (never-above-a-cap): before a slot is freed the person's standing has another
        version than the one that the release was judged on, so a commit that is still under way
        cannot come true.
        """
        versions: dict[str, set[int]] = defaultdict(set)
        for slot, hold in late:
            versions[hold.person].add(slot.seq)
        standings = await self._pass_by(versions)

        def asked(_: str, household: Household) -> Household:
            for slot, hold in late:
                standing = standings[hold.person]
                household = settle(household, name, hold.person, hold.message, standing)
                if slot in household.slots:
                    household = drop(household, slot)
            return household

        return (await self._rewrite({name: None}, asked))[name]

    async def _pass_by(self, versions: Mapping[str, set[int]]) -> dict[str, Standing]:
        """Return people's standings, none of them at a version that is told for it."""
        standings: dict[str, Standing] = {}
        for _ in range(_ATTEMPTS):
            keys = [key for key in versions if key not in standings]
            _control, found = await self._ledger.load(keys)
            changes = []
            for key, standing in zip(keys, found, strict=True):
                standings[key] = standing
                if standing.version in versions[key]:
                    passed = max(versions[key]) + 1
                    standings[key] = replace(standing, version=passed)
                    changes.append(Change(key, standing.version, standings[key]))
            written = await self._ledger.commit(changes) if changes else []
            for change, won in zip(changes, written, strict=True):
                if not won:
                    del standings[change.key]
            if len(standings) == len(versions):
                return standings
        raise LedgerUnavailable("a standing changes faster than it can be written")

    def _as_of_now(self, household: Household) -> Household:
        if not self._forgets:
            return household
        return forget(household, self._now - self.policy.retention.history)

"""The gate itself: load what is known, decide, commit; nothing here talks to the outside."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial

import msgspec

from governor.codec.waiting import decode_body, encode_body
from governor.core import model
from governor.core.facts import apply_control, scope_of
from governor.core.incoming import Incoming
from governor.core.policy import Policy
from governor.core.resolution import Resolution
from governor.core.setting import Setting, Turn
from governor.core.shared import Shared
from governor.core.standing import ControlState, Scope, Standing, Waiting
from governor.core.together import take_turns
from governor.core.turn import overtaken, reconsider, sent
from governor.falling_due import EVERYONE, first_due
from governor.households import Households, named
from governor.judgement import Arrivals, Judgement, Tried, turns_of
from governor.ledger.keys import Pseudonyms, Sealer
from governor.ledger.protocol import Ledger, LedgerUnavailable

__all__ = ["Arrivals", "Governor", "Judgement", "Tried"]

replace = msgspec.structs.replace

Change = Callable[[str, Standing, ControlState, Shared], Standing]

_ATTEMPTS = 100
_AT_ONCE = 1000


class Governor:
    """Judges arrivals against a ledger; what it returns is already written there.

    INVARIANT (simulated-is-real): the stream and the simulation differ only in the ledger, the
    names and the clock that they hand in.
    """

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        names: Pseudonyms,
        sealer: Sealer | None = None,
        *,
        forgets: bool = True,
        tick: Callable[[], float] = float,
    ) -> None:
        self.policy = policy
        self._tick = tick
        self._ledger = ledger
        self._names = names
        self._sealer = sealer
        self._forgets = forgets

    async def judge(
        self, arrivals: Arrivals, now: int, *, hold: bool = False, tried: Tried = frozenset()
    ) -> Judgement:
        """Judge all *arrivals* as of *now* (ms) and write what comes of it to the ledger.

        With *hold* facts and controls are written down and nothing is judged: what they wake is
        marked to be looked at when the gate opens; there must be no candidates then.

        At one moment everything but candidates is applied first, then what was woken or is due is
        judged, then the candidates as they came. Raises LedgerUnavailable; then some people's
        turns may have been written, and the same arrivals judged again publish the same. Say
        then when that was *tried* (ms): what it came to is not taken for what may be published.
        """
        judgement = Judgement()
        covered: tuple[Scope, ...] = ()
        swept: list[str] = []
        if arrivals.controls:
            covered = await self._control(arrivals.controls)
            swept = [key async for page in self._ledger.waiting() for key in page]
        turns = turns_of(arrivals, now, self._names, covered, swept)
        if hold or tried:
            turns = [replace(turn, hold=hold, tried=tried) for turn in turns]
        await self._take_all(turns, judgement)
        return judgement

    async def wake(
        self, until: int, *, catch_up: bool = False, limit: int = 500, tried: Tried = frozenset()
    ) -> Judgement:
        """Judge about *limit* people with something due at *until* (ms) or before, as of then.

        With *catch_up* each message is judged at its own time, and where the policy counts by
        household none before another that is due earlier. *tried* is as for `judge`.
        """
        if catch_up and self.policy.by_household:
            return await self._wake_first(until, limit)
        keys = await self._ledger.claim(until, limit)
        judgement = Judgement(more=len(keys) >= limit)
        turn = Turn("", until, due=True, catch_up=catch_up, tried=tried)
        await self._take([replace(turn, key=key) for key in keys], judgement)
        return judgement

    async def _wake_first(self, until: int, limit: int) -> Judgement:
        """Catch up with what is due first, of so many that all of it is taken together."""
        moment, keys = await first_due(self._ledger, until, limit)
        judgement = Judgement(more=moment < until)
        turn = Turn("", moment, due=True, catch_up=True)
        await self._take_all([replace(turn, key=key) for key in keys], judgement)
        return judgement

    async def replay(self, moments: Sequence[tuple[int, Arrivals]]) -> AsyncIterator[Judgement]:
        """Judge recorded *moments*, each a time (ms) and what came up then, in order of time.

        Each judgement must be published and let go of before the next is asked for: where people
        are judged apart there are as many as the busiest has moments. What falls due in between
        is judged at its time. Controls are not taken here.
        """
        if self.policy.by_household:
            async for judgement in self._replay_together(moments):
                yield judgement
            return
        waves: dict[int, list[Turn]] = defaultdict(list)
        taken: dict[str, int] = defaultdict(int)
        for at, arrivals in moments:
            for turn in turns_of(arrivals, at, self._names):
                waves[taken[turn.key]].append(replace(turn, catch_up=True))
                taken[turn.key] += 1
        for turns in waves.values():
            judgement = Judgement()
            await self._take(turns, judgement)
            yield judgement

    async def _replay_together(
        self, moments: Sequence[tuple[int, Arrivals]]
    ) -> AsyncIterator[Judgement]:
        """Judge moment by moment: one person's message takes another's slot.

        So what waits is due before what arrives later, whoever it is for.
        """
        for at, arrivals in moments:
            judgement = Judgement(more=True)
            while judgement.more:
                judgement = await self.wake(at - 1, catch_up=True)
                yield judgement
            due = await self._ledger.claim(at, EVERYONE)
            yield await self.judge(replace(arrivals, due=due), at)

    async def published(self, resolutions: Iterable[Resolution]) -> list[Resolution]:
        """Let go of the waiting entries behind *resolutions*, which the broker has acknowledged.

        Returns those that say that a message waits which somebody else has judged since: each
        with what waits of it by now, None when it is done. So the last that is said of what waits
        can be made true again.
        """
        mine: dict[str, list[Resolution]] = defaultdict(list)
        for resolution in resolutions:
            if resolution.was_waiting or resolution.waiting is not None:
                mine[resolution.key].append(resolution)
        late: dict[str, list[Resolution]] = {}

        def let_go(key: str, standing: Standing, *_: object) -> Standing:
            late[key] = list(overtaken(standing, mine[key]))
            return sent(standing, mine[key])

        if mine:
            await self._rewrite(list(mine), let_go)
        return [resolution for found in late.values() for resolution in found]

    async def reconsider(self, resolutions: Sequence[Resolution], now: int) -> list[Resolution]:
        """Judge releases again that were committed long ago and never published.

        What may no longer go gives its slot back and comes out with its new verdict.
        """
        releases: dict[str, list[Resolution]] = defaultdict(list)
        for resolution in resolutions:
            if resolution.revocable:
                releases[resolution.key].append(resolution)
        if not releases:
            return list(resolutions)
        policy = self.policy
        changed: dict[str, Resolution] = {}

        def again(key: str, standing: Standing, control: ControlState, shared: Shared) -> Standing:
            here = replace(self._setting(control, policy), shared=shared)
            for resolution in releases[key]:
                standing, replacement = reconsider(here, standing, resolution, now)
                changed[resolution.decision_id] = replacement
            return standing

        await self._rewrite(list(releases), again, now)
        return [changed.get(one.decision_id, one) for one in resolutions]

    async def _control(self, controls: Sequence[model.Control]) -> tuple[Scope, ...]:
        for _ in range(_ATTEMPTS):
            state, _standings = await self._ledger.load([])
            after = state
            for control in controls:
                after = apply_control(after, control)
            if after == state or await self._ledger.commit_control(state.version, after):
                return tuple({scope_of(control) for control in controls})
        raise LedgerUnavailable("the control state changes faster than it can be written")

    async def _take_all(self, turns: Sequence[Turn], judgement: Judgement) -> None:
        for start in range(0, len(turns), _AT_ONCE):
            await self._take(turns[start : start + _AT_ONCE], judgement)

    async def _take(self, turns: Sequence[Turn], judgement: Judgement) -> None:
        """Take every turn and commit it, again for those that somebody else has overtaken.

        All under one policy: one that counts by household has to have loaded and reserved there.
        """
        households = self._households()
        for _ in range(_ATTEMPTS):
            turns = await self._try(turns, judgement, households)
            if not turns:
                return
        raise LedgerUnavailable("a standing changes faster than it can be written")

    async def _try(
        self, turns: Sequence[Turn], judgement: Judgement, households: Households
    ) -> list[Turn]:
        """Take *turns* in one load and one commit; return those that were overtaken."""
        start = self._tick()
        control, standings = await self._ledger.load([turn.key for turn in turns])
        now, policy = max((turn.now for turn in turns), default=0), households.policy
        homes = named(turns, standings, self._names.of) if policy.by_household else ()
        await households.open(now, homes)
        loaded = self._tick()
        setting = self._setting(control, policy)
        taken = await households.decide(
            lambda shared: take_turns(replace(setting, shared=shared), standings, turns)
        )
        decided = self._tick()
        lost = await households.commit(
            {
                turn.key: (standing, after.standing)
                for turn, standing, after in zip(turns, standings, taken, strict=True)
            }
        )
        for turn, after in zip(turns, taken, strict=True):
            if turn.key not in lost:
                judgement.add(after)
        judgement.conflicts += len(lost)
        judgement.seconds["load"] += loaded - start
        judgement.seconds["decide"] += decided - loaded
        judgement.seconds["commit"] += self._tick() - decided
        again = [turn for turn in turns if turn.key in lost]
        waits = {one.key for after in taken for one in after.resolutions if one.waiting is not None}
        # Whoever writes a control looks at all that waits then; what comes to wait after that
        # would not hear of it. So whoever lets something wait looks then at the control.
        if waits - lost and (await self._ledger.load([]))[0].version != control.version:
            anew = [turn for turn in turns if turn.key in waits - lost]
            again += [Turn(turn.key, turn.now, covered=(Scope(),)) for turn in anew]
        return again

    async def _rewrite(self, keys: list[str], change: Change, now: int = 0) -> None:
        households = self._households()
        for _ in range(_ATTEMPTS):
            control, standings = await self._ledger.load(keys)
            await households.open(now)
            pairs = list(zip(keys, standings, strict=True))
            changes = partial(_changed, pairs, change, control)
            keys = list(await households.commit(await households.decide(changes)))
            if not keys:
                return
        raise LedgerUnavailable("a standing changes faster than it can be written")

    def _households(self) -> Households:
        return Households(self._ledger, self.policy, forgets=self._forgets)

    def _setting(self, control: ControlState, policy: Policy) -> Setting:
        return Setting(
            policy,
            control,
            self._names.of,
            self._names.decision_id,
            self.open_body,
            self._seal,
            forgets=self._forgets,
        )

    def open_body(self, key: str, waiting: Waiting) -> Incoming:
        """Return the candidate behind *waiting* of the person with *key*."""
        if self._sealer is None:
            return decode_body(waiting.body)
        return decode_body(self._sealer.open(waiting.body, key.encode()))

    def _seal(self, key: str, incoming: Incoming) -> bytes:
        body = encode_body(incoming)
        return body if self._sealer is None else self._sealer.seal(body, key.encode())


def _changed(
    pairs: Iterable[tuple[str, Standing]], change: Change, control: ControlState, shared: Shared
) -> dict[str, tuple[Standing, Standing]]:
    return {key: (standing, change(key, standing, control, shared)) for key, standing in pairs}

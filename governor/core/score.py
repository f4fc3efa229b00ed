"""How much one variant would weigh on one person, on top of what already reached them, in points.

    exposure = base * c * (1 + depth_weight * d) * (1 + interaction * c * d) * t * s

`c` is how obtrusive the channel is and `d` how personal the deepest use, both 0 to 1: depth is
felt as intrusion (van Doorn and Hoekstra 2013), less so when the message says why it fits (White
et al. 2008), and together with an obtrusive channel more than either alone (Goldfarb and Tucker
2011). `t` weighs messages near the edges of the allowed hours, where they interrupt more (Okoshi
et al. 2017). `s` weighs repeats of one topic, which wear out (Cao et al. 2020).

    pressure = sum over the send log of exposure * 2 ** (-age / half_life)
"""

import math

from governor.core import model
from governor.core.case import Case
from governor.core.comfort import ceiling_of
from governor.core.instant import SECOND, ceil_second
from governor.core.kind import Kind, kind_of
from governor.core.policy import Intrusiveness, Policy
from governor.core.standing import counted, name64
from governor.core.verdict import Score

_DEEPEST = 5
_LOUDEST = 1.0
_STEPS = 5_000


def depth_of(policy: Policy, variant: model.Variant) -> int:
    """Return how deep the deepest use of *variant* goes, 0 to 5, wherever it comes from."""
    if not variant.uses:
        return 0
    known = policy.intrusiveness.depth if policy.intrusiveness else {}
    return max(known.get(use.attribute, _DEEPEST) for use in variant.uses)


def score_of(case: Case, variant: model.Variant, at: int) -> Score | None:
    """Return what *variant* comes to at *at* (ms), None where the policy has no such section."""
    if case.policy.intrusiveness is None:
        return None
    kind = kind_of(case.policy, case.candidate, variant)
    return Scale(case, kind, case.policy.intrusiveness, variant, at).score(at)


class Scale:
    """One variant of a case on the scale: what it comes to at any moment from *now* on.

    The person's ceiling is held at what it is *now* (ms).
    """

    def __init__(
        self, case: Case, kind: Kind, section: Intrusiveness, variant: model.Variant, now: int
    ) -> None:
        self.ceiling = ceiling_of(section, case.standing, now)
        self._section = section
        self._plain = _plain(section, variant)
        self._place = case.place
        self._edges = kind.edges
        self._history = case.policy.retention.history
        self._pressures: dict[int, float] = {}
        log, topic = counted(case.standing.log), case.candidate.topic
        self._sends = [entry for entry in log if entry.exposure]
        self._alike: list[int] = []
        if topic is not None:
            hashed = name64(topic)
            self._alike = [entry.at for entry in log if entry.topic == hashed]

    def score(self, at: int) -> Score:
        """Return the sum at *at*."""
        exposure, pressure = self._exposure(at), self._pressure(at)
        return Score(exposure, pressure, pressure + exposure, self.ceiling)

    def first_fit(self, at: int) -> int | None:
        """Return the first second from *at* on at which the variant fits, None for never.

        Between two breakpoints the exposure stays and the pressure only decays, so that the
        moment has a closed form there.
        """
        least = self._plain * min(1.0, self._section.edge_factor if self._edges else 1.0)
        if least > self.ceiling:
            return None
        moment = ceil_second(at)
        for _ in range(_STEPS):
            if self._fits(moment):
                return moment
            turn = self._next_turn(moment)
            if turn is None:
                return None
            decays = self._decays(moment, self._exposure(moment))
            if decays is not None and decays < turn + SECOND:
                found = self._settled(moment, decays, turn)
                if found is not None:
                    return found
            moment = max(ceil_second(turn), self._not_before(moment, least))
        return None

    def _fits(self, at: int) -> bool:
        return self._pressure(at) + self._exposure(at) <= self.ceiling

    def _exposure(self, at: int) -> float:
        exposure = self._plain
        if self._edges is not None and self._edges.near(self._place, at):
            exposure *= self._section.edge_factor
        if self._alike:
            repeat = self._section.repeat
            since = at - repeat.window
            repeats = len([sent for sent in self._alike if sent > since])
            exposure *= min(1.0 + repeat.step * repeats, repeat.max)
        return exposure

    def _pressure(self, at: int) -> float:
        known = self._pressures.get(at)
        if known is None:
            half_life, start = self._section.half_life, at - self._history
            known = self._pressures[at] = sum(
                [
                    sent.exposure * math.pow(2.0, (sent.at - at) / half_life)
                    for sent in self._sends
                    if sent.at > start
                ],
                0.0,
            )
        return known

    def _next_turn(self, at: int) -> int | None:
        """Return the next moment after *at* at which anything but the decay changes."""
        turns = [sent.at + self._history for sent in self._sends]
        turns += [sent + self._section.repeat.window for sent in self._alike]
        if self._edges is not None:
            turns.append(self._edges.next_turn(self._place, at))
        return min((turn for turn in turns if turn > at), default=None)

    def _decays(self, at: int, exposure: float) -> int | None:
        """Return the closed form: when what presses at *at* has left room for *exposure*."""
        pressure = self._pressure(at)
        room = self.ceiling - exposure
        if room < 0 or pressure <= 0:
            return None
        # What is lost in the rounding of the sum is room too.
        room += math.ulp(self.ceiling)
        halvings = max(math.log2(pressure) - math.log2(room), 0.0)
        return at + math.ceil(self._section.half_life * halvings)

    def _settled(self, fails: int, decays: int, turn: int) -> int | None:
        """Return the first second after *fails* and before *turn* that fits, near *decays*."""
        last = (turn - 1) // SECOND * SECOND
        found = min(max(ceil_second(decays), fails + SECOND), last)
        step = SECOND
        while not self._fits(found):
            if found >= last:
                return None
            fails, found = found, min(found + step, last)
            step *= 2
        while found - SECOND > fails and self._fits(max(found - step, fails + SECOND)):
            found = max(found - step, fails + SECOND)
            step *= 2
        fails = max(found - step, fails)
        while found - fails > SECOND:
            middle = (fails + found) // 2 // SECOND * SECOND
            fails, found = (fails, middle) if self._fits(middle) else (middle, found)
        return found

    def _not_before(self, at: int, least: float) -> int:
        """Return a second before which nothing fits that weighs at least *least*."""
        decays = self._decays(at, least)
        ends = [sent.at + self._history for sent in self._sends]
        drops = [end for end in ends if end > at]
        if decays is None or not drops:
            return at
        return ceil_second(min(decays - 2 * SECOND, *drops))


def _plain(section: Intrusiveness, variant: model.Variant) -> float:
    """Return the exposure far from the edges of the allowed hours and without repeats."""
    c = section.channels.get(variant.channel, _LOUDEST)
    d = 0.0
    for use in variant.uses:
        depth = section.depth.get(use.attribute, _DEEPEST) / _DEEPEST
        d = max(d, depth * _weight(section, use.source))
    if variant.justification:
        d -= section.justification
    d = min(max(d, 0.0), 1.0)
    depth_adds = 1.0 + section.depth_weight * d
    return section.base * c * depth_adds * (1.0 + section.interaction * c * d)


def _weight(section: Intrusiveness, source: str | None) -> float:
    if source is None:
        return 1.0
    weight: float = getattr(section.sources, source)
    return weight

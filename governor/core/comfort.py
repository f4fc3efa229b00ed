"""The ceiling is the person's: what they said sets it, what they do moves it slowly.

A complaint brings it down fast, clicks bring it up slowly, and both are forgotten with a
half-life, or at once when the person asks for it. Silence says nothing. Nothing learned raises it
above what the person said.
"""

import math
from collections.abc import Sequence

import msgspec

from governor.core.case import Case
from governor.core.consents import with_event
from governor.core.policy import Intrusiveness
from governor.core.standing import Consent, Heard, LearnedComfort, Standing

_LOWERS = ("complained", "unsubscribed", "too_much", "dismissed")
_RAISES = ("clicked", "converted", "replied")
_RESET = "comfort_reset"
_NOT_YET_FADING = 2**62
# The latest; what is no later than the oldest of them may repeat one that is forgotten.
_REMEMBERED = 8


def learn(
    section: Intrusiveness | None,
    known: LearnedComfort | None,
    kind: str,
    at: int,
    mark: int | None = None,
) -> LearnedComfort | None:
    """Return what is known of a person's comfort after feedback of *kind* at *at* (ms).

    What comes late counts as of the last thing learned. *mark* is the feedback's own: what comes
    again, after a crash, teaches nothing.
    """
    if section is None or not section.comfort.learn or kind not in (*_LOWERS, *_RAISES):
        return known
    taught = () if known is None else known.taught
    if mark is not None:
        if _may_be_a_repeat(taught, (at, mark)):
            return known
        taught = tuple(sorted((*taught, (at, mark)))[-_REMEMBERED:])
    moment = at if known is None else max(at, known.at)
    factor = _factor(section, known, moment)
    change: float = getattr(section.learned, kind)
    factor = factor * change if kind in _LOWERS else factor + change
    return LearnedComfort(_bounded(section, factor), moment, taught)


def _may_be_a_repeat(taught: Sequence[tuple[int, int]], lesson: tuple[int, int]) -> bool:
    """Tell whether *lesson* is among those *taught*, or so old that it may be forgotten."""
    return lesson in taught or (len(taught) >= _REMEMBERED and lesson[0] <= taught[0][0])


def reset_at(standing: Standing) -> int:
    """Return since when (ms) what the person does teaches: their last wish to begin anew."""
    resets = (one.at for one in standing.consents if one.action == _RESET)
    return max(resets, default=-_NOT_YET_FADING)


def reset(section: Intrusiveness | None, standing: Standing, at: int) -> Standing:
    """Return the standing with everything forgotten that was learned before *at* (ms).

    Where it comes late, the last feedback of each kind since then is learned again.
    """
    wish = Consent(_RESET, "*", None, None, None, at)
    consents = with_event(standing.consents, wish)
    if consents is standing.consents:
        return standing
    anew = msgspec.structs.replace(standing, consents=consents)
    learned: LearnedComfort | None = None
    for one in lessons(anew):
        learned = learn(section, learned, one.kind, one.at)
    if learned is not None and standing.learned is not None:
        learned = msgspec.structs.replace(learned, taught=standing.learned.taught)
    return msgspec.structs.replace(anew, learned=learned)


def lessons(standing: Standing) -> list[Heard]:
    """Return the last feedback of each kind that has taught something, in order of time."""
    since, kinds = reset_at(standing), (*_LOWERS, *_RAISES)
    taught = [one for one in standing.heard if one.kind in kinds and one.at >= since]
    return sorted(taught, key=lambda one: (one.at, one.kind, one.channel or ""))


def factor_of(section: Intrusiveness, standing: Standing, at: int) -> float:
    """Return by what the person's ceiling is multiplied at *at* (ms)."""
    return _factor(section, standing.learned, at)


def ceiling_of(section: Intrusiveness, standing: Standing, at: int) -> float:
    """Return how many points this person takes at *at*."""
    factor = _factor(section, standing.learned, at)
    level = standing.profile.comfort.level if standing.profile else None
    if level is None:
        return section.ceiling * factor
    said = {
        "low": section.comfort.low,
        "normal": section.comfort.normal,
        "high": section.comfort.high,
    }
    return said[level] * min(factor, 1.0)


def held(case: Case, now: int) -> Case:
    """Return *case* with what was learned as it is at *now*, whatever moment is asked about."""
    section, learned = case.policy.intrusiveness, case.standing.learned
    if section is None or learned is None:
        return case
    kept = LearnedComfort(_factor(section, learned, now), _NOT_YET_FADING)
    standing = msgspec.structs.replace(case.standing, learned=kept)
    return msgspec.structs.replace(case, standing=standing)


def _factor(section: Intrusiveness, known: LearnedComfort | None, at: int) -> float:
    if known is None or not section.comfort.learn:
        return 1.0
    faded = math.pow(2.0, min(known.at - at, 0) / section.learned.half_life)
    return _bounded(section, 1.0 + (known.factor - 1.0) * faded)


def _bounded(section: Intrusiveness, factor: float) -> float:
    return min(max(factor, section.learned.lowest), section.learned.highest)

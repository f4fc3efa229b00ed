"""The intrusiveness score, reckoned anew for one variant at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.oracle.caps import Send
from tests.faults.oracle.records import Json, duration, moment
from tests.faults.oracle.rules import Message, Rules

TOLERANCE = 1e-9
"""Points by which sums of floating-point numbers may differ when they are added another way."""

LOUDEST = 20.0 * 1.6 * 1.8 * 1.5 * 2.0
"""The most points that one variant can add."""

_LOUDNESS = {"call": 1.0, "sms": 0.7, "push": 0.5, "email": 0.3, "in_app": 0.2}
_DEPTHS = {
    "segment": 1,
    "browsing_history": 2,
    "name": 3,
    "purchase_history": 4,
    "location": 4,
    "health": 5,
}
_SOURCES = {"declared": 0.7, "observed": 1.0, "third_party": 1.2, "inferred": 1.4}
_SAID = {"low": 30.0, "normal": 60.0, "high": 80.0}
_TIMES = {"complained": 0.5, "unsubscribed": 0.7, "too_much": 0.7, "dismissed": 0.97}
_PLUS = {"clicked": 0.02, "converted": 0.02, "replied": 0.02}
_LEAST, _MOST = 0.5, 1.25
_FORGOTTEN = "90d"
_MINUTE = 60_000


@dataclass(frozen=True)
class Score:
    """What a variant adds, what presses already, and how much the person takes."""

    exposure: float
    pressure: float
    ceiling: float

    @property
    def above(self) -> float:
        """By how many points it is too much."""
        return self.pressure + self.exposure - self.ceiling


def score_of(
    rules: Rules,
    message: Message,
    at: int,
    now: int,
    before: Sequence[Send],
    feedback: Sequence[Json],
    profile: Json | None,
) -> Score | None:
    """Return the score at *at* of what was judged at *now*, None where there is no such section.

    *before* are the releases that press: those that count and were not given back.
    """
    section = rules.intrusiveness
    if section is None:
        return None
    half_life = duration(section.get("half_life", "3d"))
    pressing = (one.exposure * 0.5 ** ((at - one.at) / half_life) for one in before)
    return Score(
        _exposure(rules, section, message, at, before, (profile or {}).get("time_zone")),
        sum(pressing),
        _ceiling(section, feedback, profile, now),
    )


def _exposure(
    rules: Rules, section: Json, message: Message, at: int, before: Iterable[Send], zone: str | None
) -> float:
    c = section.get("channels", _LOUDNESS).get(message.channel, 1.0)
    d = _depth(section, message.variant)
    near = duration(section.get("edge", "1h"))
    t = section.get("edge_factor", 1.5) if _near_an_edge(rules, message, at, zone, near) else 1.0
    repeat = section.get("repeat", {})
    since = at - duration(repeat.get("window", "7d"))
    alike = [one for one in before if one.at > since and one.message.topic == message.topic]
    s = 1.0
    if message.topic is not None:
        s = min(1.0 + repeat.get("step", 0.25) * len(alike), repeat.get("max", 2.0))
    points: float = 20.0 * c * (1.0 + 0.6 * d) * (1.0 + 0.8 * c * d) * t * s
    return points


def _depth(section: Json, variant: Json) -> float:
    depths: Mapping[str, float] = section.get("depth", _DEPTHS)
    deepest = 0.0
    for use in variant.get("uses") or ():
        source = use.get("source")
        weight = 1.0 if source is None else _SOURCES[source]
        deepest = max(deepest, depths.get(use["attribute"], 5) / 5 * weight)
    if variant.get("justification"):
        deepest -= 0.1
    return max(0.0, min(1.0, deepest))


def _near_an_edge(rules: Rules, message: Message, at: int, zone: str | None, near: int) -> bool:
    """Tell whether it is open, and closed at some moment less than *near* away.

    Hours change on the minute, so it is enough to look at both ends and at each full minute.
    """
    if "quiet_hours" in rules.categories[message.category].skips or not rules.bound(message):
        return False
    if not rules.open_to(message, at, zone):
        return False
    first = -(-(at - near) // _MINUTE) * _MINUTE
    looks = (at - near, at + near, *range(first, at + near, _MINUTE))
    return not all(rules.open_to(message, look, zone) for look in looks)


def _ceiling(section: Json, feedback: Iterable[Json], profile: Json | None, now: int) -> float:
    comfort = section.get("comfort", {})
    factor = _learned(section.get("learned", {}), feedback, now)
    if not comfort.get("learn", True):
        factor = 1.0
    level = ((profile or {}).get("comfort") or {}).get("level")
    if level is None:
        points: float = section.get("ceiling", 60.0) * factor
    else:
        points = comfort.get(level, _SAID[level]) * min(1.0, factor)
    return points


def _learned(section: Json, feedback: Iterable[Json], now: int) -> float:
    """Return what the person's answers have made of their ceiling, the first one first.

    The same answer told again teaches nothing.
    """
    half_life = duration(section.get("half_life", _FORGOTTEN))
    factor, last = 1.0, None
    heard: set[tuple[Any, ...]] = set()
    for told in feedback:
        kind, at = told["kind"], moment(told["at"])
        answer = (told.get("id"), told.get("message"), kind, at)
        if (kind not in _TIMES and kind not in _PLUS) or answer in heard:
            continue
        heard.add(answer)
        at = at if last is None else max(at, last)
        factor = _faded(factor, 0 if last is None else at - last, half_life)
        times = section.get(kind, _TIMES[kind]) if kind in _TIMES else 1.0
        plus = section.get(kind, _PLUS[kind]) if kind in _PLUS else 0.0
        factor, last = min(_MOST, max(_LEAST, factor * times + plus)), at
    return _faded(factor, 0 if last is None else max(0, now - last), half_life)


def _faded(factor: float, age: int, half_life: int) -> float:
    left: float = 0.5 ** (age / half_life)
    return 1.0 + (factor - 1.0) * left

"""The intrusiveness score, factor by factor."""

from __future__ import annotations

import math
from typing import Any

from tests.reference.facts import Person, Send
from tests.reference.times import DAY, duration

CHANNELS = {"call": 1.0, "sms": 0.7, "push": 0.5, "email": 0.3, "in_app": 0.2}
DEPTH: dict[str, float] = {
    "segment": 1,
    "browsing_history": 2,
    "name": 3,
    "purchase_history": 4,
    "location": 4,
    "health": 5,
}
COMFORT = {"low": 30, "normal": 60, "high": 80, "learn": True}
LOWERS = {"complained": 0.5, "unsubscribed": 0.7, "too_much": 0.7, "dismissed": 0.97}
RAISES = {"clicked": 0.02, "converted": 0.02, "replied": 0.02}
SOURCE = {"declared": 0.7, "observed": 1.0, "third_party": 1.2, "inferred": 1.4}


def _depths(policy: dict[str, Any]) -> dict[str, float]:
    section = policy.get("intrusiveness")
    found: dict[str, float] = {} if section is None else section.get("depth", DEPTH)
    return found


def deepest(policy: dict[str, Any], variant: dict[str, Any]) -> float:
    """The depth of the deepest use, sources left aside."""
    depths = _depths(policy)
    return max((depths.get(use["attribute"], 5.0) for use in variant["uses"]), default=0.0)


def exposure(policy: dict[str, Any], variant: dict[str, Any], repeats: int, *, edge: bool) -> float:
    """What a variant would add, given how often the topic came and whether an edge is near."""
    section = policy["intrusiveness"]
    channels, depths = section.get("channels", CHANNELS), _depths(policy)
    c = channels.get(variant["channel"], 1.0)
    depth = max(
        (
            depths.get(use["attribute"], 5) / 5 * SOURCE.get(use.get("source"), 1.0)
            for use in variant["uses"]
        ),
        default=0.0,
    )
    d = min(1.0, max(0.0, depth - (0.1 if variant.get("justification") else 0.0)))
    t = 1.5 if edge else 1.0
    s = min(2.0, 1 + 0.25 * repeats)
    value: float = 20 * c * (1 + 0.6 * d) * (1 + 0.8 * c * d) * t * s
    return value


def pressure(section: dict[str, Any], sends: list[Send], now: int) -> float:
    """What the counted sends still weigh."""
    half_life = duration(section.get("half_life", "3d"))
    parts = [send.exposure * math.pow(2.0, -(now - send.at) / half_life) for send in sends]
    return sum(parts)


def ceiling(section: dict[str, Any], person: Person, now: int) -> float:
    """The person's own ceiling where they named one, else the policy's, moved by what they do."""
    comfort = COMFORT | (section.get("comfort") or {})
    factor = learned(person, now) if comfort["learn"] else 1.0
    level = (person.profile.get("comfort") or {}).get("level")
    if level:
        return float(comfort[level]) * min(1.0, factor)
    return float(section.get("ceiling", 60)) * factor


def learned(person: Person, now: int) -> float:
    """What all feedback so far has made of the factor, which forgets between any two."""
    lessons: list[tuple[int, str]] = []
    latest: dict[tuple[str, str | None], int] = {}
    known: set[tuple[str, int]] = set()
    begun = -1
    for signal in person.signals:
        kind, at, key = signal["kind"], signal["at"], (signal["kind"], signal["channel"])
        if kind == "comfort_reset" and at > begun:
            begun = at
            heard = sorted((t, k, c or "") for (k, c), t in latest.items() if t >= begun)
            lessons = [(t, k) for t, k, _ in heard]
        source = (signal.get("source", ""), at)
        if kind in (*LOWERS, *RAISES) and source not in known:
            known.add(source)
            latest[key] = max(at, latest.get(key, -1))
            lessons += [(at, kind)] if at >= begun else []
    return _taught(lessons, now)


def _taught(lessons: list[tuple[int, str]], now: int) -> float:
    factor, last = 1.0, None
    for at, kind in lessons:
        moment = at if last is None else max(last, at)
        if last is not None:
            factor = _forgotten(factor, moment - last)
        factor = factor * LOWERS.get(kind, 1.0) + RAISES.get(kind, 0.0)
        factor, last = min(1.25, max(0.5, factor)), moment
    return factor if last is None else _forgotten(factor, max(0, now - last))


def _forgotten(factor: float, age: int) -> float:
    return 1.0 + (factor - 1.0) * math.pow(2.0, -age / (90 * DAY))

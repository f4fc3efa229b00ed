"""Caps by brute force: every release that came before is looked at again for every window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.oracle.records import Json, duration, moment
from tests.faults.oracle.rules import Message, Rules, window_start

_WEEK = "7d"


@dataclass(frozen=True)
class Send:
    """One release as it was decided, and what a cap looks at of it."""

    id: str
    at: int
    seq: int
    message: Message
    counts: bool
    exposure: float
    """As it was decided; that it was right then is looked at with the decision."""


def settled(feedback: Iterable[Json]) -> dict[str, str]:
    """Return for each message what its feedback, in this order, made of its slot."""
    slots: dict[str, str] = {}
    for told in feedback:
        was = slots.get(told["message"], "taken")
        if told["kind"] in ("bounced", "failed") and was == "taken":
            slots[told["message"]] = "given back"
        elif told["kind"] == "delivered" and was == "given back":
            slots[told["message"]] = "taken again"
    return slots


def reached(
    rules: Rules,
    message: Message,
    at: int,
    taken: Sequence[Send],
    signs: Sequence[Json],
    profile: Json | None,
) -> set[str]:
    """Return the codes of the caps that a further release at *at* would break.

    *taken* are the releases that were not given back.
    """
    category = rules.categories[message.category]
    zone = (profile or {}).get("time_zone") or rules.zone
    codes = set()
    if category.quota is not None:
        own = [one for one in taken if one.message.category == message.category]
        if _full(own, category.quota, zone, at):
            codes.add("bypass_quota")
    if "caps" in category.skips:
        return codes
    counted = [one for one in taken if one.counts]
    for cap in rules.caps_of_people:
        if message.matched(cap.get("match", {})):
            codes |= _cap(cap, message, at, counted, zone, signs)
    most = ((profile or {}).get("comfort") or {}).get("max_per_week")
    if most is not None and _full(counted, {"limit": most, "window": _WEEK}, zone, at):
        codes.add("cap_reached")
    return codes


def _cap(
    cap: Json, message: Message, at: int, counted: Sequence[Send], zone: str, signs: Sequence[Json]
) -> set[str]:
    if "silence_after" in cap:
        wanted = cap["silence_after"]
        wanted = wanted if isinstance(wanted, list) else [wanted]
        since = at - duration(cap["window"])
        last = [
            moment(sign["at"])
            for sign in signs
            if (sign.get("action") in wanted or sign.get("kind") in wanted)
            and sign.get("channel") in (None, message.channel)
        ]
        return {"silence_after_refusal"} if any(one > since for one in last) else set()
    group = [one for one in counted if _together(cap, one.message, message)]
    if "min_gap" in cap:
        gap = duration(cap["min_gap"])
        return {"min_gap"} if any(one.at > at - gap for one in group) else set()
    open_to_it = {**cap, "limit": cap["limit"] - _reserved(cap, message)}
    return {"cap_reached"} if _full(group, open_to_it, zone, at) else set()


def _reserved(cap: Json, message: Message) -> int:
    """Return how many slots of the limit are kept from this message for more important ones."""
    reserve = cap.get("reserve")
    if reserve is None or message.priority >= reserve["priority_at_least"]:
        return 0
    slots: int = reserve["slots"]
    return slots


def _together(cap: Json, one: Message, other: Message) -> bool:
    if not one.matched(cap.get("match", {})):
        return False
    per = [name for name in cap.get("per", ["person"]) if name not in ("person", "household")]
    return all(getattr(one, name) == getattr(other, name) for name in per)


def _full(group: Iterable[Send], cap: Json, zone: str, at: int) -> bool:
    start = window_start(cap["window"], zone, at)
    inside = sum(one.at > start for one in group)
    full: bool = inside >= cap["limit"]
    return full

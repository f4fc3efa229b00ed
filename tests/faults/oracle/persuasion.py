"""What presses on a person: how often, with what end of an offer, and whom never."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from tests.faults.oracle.caps import Send
from tests.faults.oracle.records import Json, duration
from tests.faults.oracle.rules import Message, Rules

_HURRIES = {"urgency", "scarcity"}
_OF_AGE = 18


def pressed(
    rules: Rules,
    message: Message,
    at: int,
    before: Sequence[Send],
    taken: Sequence[Send],
    profile: Json | None,
) -> set[str]:
    """Return what stands against the techniques of a variant at *at*.

    *before* are all releases to the person, the first one first, *taken* those of them that were
    not given back.
    """
    section = rules.persuasion
    if not message.techniques or "persuasion" in rules.categories[message.category].skips:
        return set()
    found = set()
    if "urgency" in section and _hurries(message) and not _true(message, at, before):
        found.add("false_urgency")
    budget = section.get("budget")
    if budget is not None:
        since = at - duration(budget["window"])
        used = sum(bool(one.message.techniques) and one.at > since for one in taken)
        if used >= budget["limit"]:
            found.add("pressure_budget")
    if "vulnerable" in section and _vulnerable(rules, section["vulnerable"], profile or {}, at):
        found.add("vulnerable")
    return found


def _hurries(message: Message) -> bool:
    return not _HURRIES.isdisjoint(message.techniques)


def _true(message: Message, at: int, before: Sequence[Send]) -> bool:
    """Tell whether the offer ends, later than now, and as the person was told the first time."""
    ends = message.offer_ends_at
    told = [one for one in before if one.message.campaign == message.campaign]
    first = next((one.message for one in told if _hurries(one.message)), None)
    return ends is not None and ends > at and (first is None or first.offer_ends_at == ends)


def _vulnerable(rules: Rules, listed: Sequence[str], profile: Json, at: int) -> bool:
    if profile.get("minor") or not set(listed).isdisjoint(profile.get("vulnerabilities") or ()):
        return True
    if profile.get("born") is None:
        return False
    born = date.fromisoformat(profile["born"])
    today = datetime.fromtimestamp(at / 1_000, ZoneInfo(profile.get("time_zone") or rules.zone))
    birthdays = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return birthdays < _OF_AGE

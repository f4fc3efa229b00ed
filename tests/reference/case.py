"""One message of one person in front of the rules, and the hours that bind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reference import standing
from tests.reference.facts import Message, Person, Send
from tests.reference.times import HOUR, is_allowed, parse_allow, wall_instants


@dataclass
class Case:
    """One message of one person under one policy, with the control in force, judged now."""

    policy: dict[str, Any]
    person: Person
    controls: list[dict[str, Any]]
    message: Message
    now: int
    outranked: bool = False
    people: Mapping[str, Person] = field(default_factory=dict)

    @property
    def household(self) -> str | None:
        """Whose household it is for: the message says so, or else the person's profile."""
        return self.message.data.get("household") or self.person.profile.get("household")

    @property
    def household_sends(self) -> list[Send]:
        """All that anybody ever got as one of the household, without one the person's own."""
        home = self.household
        if home is None:
            return self.person.sends
        every = [send for person in self.people.values() for send in person.sends]
        return [send for send in every if send.household == home]

    @property
    def category(self) -> dict[str, Any]:
        """The policy's entry for the message's category."""
        entry: dict[str, Any] = self.policy["categories"][self.message.data["category"]]
        return entry

    def section(self, name: str) -> dict[str, Any] | None:
        """A section of the policy, None where it is absent."""
        found: dict[str, Any] | None = self.policy.get(name)
        return found

    def skips(self, rule: str) -> bool:
        """Whether the category skips the rule."""
        return rule in (self.category.get("skips") or [])

    def attributes(self, variant: dict[str, Any]) -> dict[str, Any]:
        """What a `match` looks at."""
        data = self.message.data
        named = {key: data.get(key) for key in ("campaign", "category", "topic")}
        return named | {"channel": variant["channel"]}


def matches(match: dict[str, Any] | None, attributes: dict[str, Any]) -> bool:
    """Whether every key of a `match` holds one of the attributes' values."""
    for key, wanted in (match or {}).items():
        if attributes.get(key) not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def near_an_edge(case: Case, variant: dict[str, Any], now: int) -> bool:
    """Whether it is the first or the last hour of the hours that bind the variant."""
    entries = binding(case, variant)
    if not entries:
        return False
    for edge in quiet_edges(case, entries, now - HOUR, now + HOUR):
        before, after = within(case, entries, edge - 1), within(case, entries, edge)
        if edge <= now and not before and after:
            return True
        if edge > now and before and not after:
            return True
    return False


def quiet_edges(case: Case, entries: list[dict[str, Any]], start: int, end: int) -> set[int]:
    """Every instant in a span at which one of the entries may open or close somewhere."""
    minutes = {0}
    for entry in entries:
        for ranges in parse_allow(entry["allow"]).values():
            minutes.update(minute for pair in ranges for minute in pair)
    return wall_instants(standing.zones(case.policy, case.person), minutes, start, end)


def binding(case: Case, variant: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of quiet_hours that match the variant and are not skipped."""
    if case.skips("quiet_hours"):
        return []
    attributes = case.attributes(variant)
    entries = case.policy.get("quiet_hours") or []
    return [entry for entry in entries if matches(entry.get("match"), attributes)]


def within(case: Case, entries: list[dict[str, Any]], at: int) -> bool:
    """Whether the instant is allowed by every entry in every zone of the person."""
    place = standing.place(case.policy, case.person)
    return all(
        is_allowed(parse_allow(entry["allow"]), name, *place, at)
        for entry in entries
        for name in standing.zones(case.policy, case.person)
    )

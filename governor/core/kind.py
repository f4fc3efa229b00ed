"""What a policy says to a kind of message is worked out once, not for every message.

A policy tells messages apart by category, campaign, channel and topic, and by campaign and topic
only where it names them: so there are few kinds, however many messages.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from governor.core import model
from governor.core.case import Check
from governor.core.hours import Edges, Hours
from governor.core.policy import Match, Policy, QuietHours

_POLICIES = 16
_KINDS = 65_536


class Bound:
    """Allowed hours as they bind a kind of message."""

    def __init__(self, entry: QuietHours, hours: Hours, *, enforced: bool) -> None:
        self.id, self.outside, self.jitter = entry.id, entry.outside, entry.jitter
        self.hours = hours
        self.enforced = enforced


class Kind:
    """Messages of one category on one channel, of the same named campaign and topic if any.

    `checks` is where the rules keep what they have made of it.
    """

    def __init__(
        self, kinds: "Kinds", name: str, campaign: str | None, channel: str, topic: str | None
    ) -> None:
        self.policy = kinds.policy
        self.name = name
        self.category = kinds.policy.categories[name]
        self._kinds = kinds
        self._about = (name, campaign or "", channel, topic)
        self.checks: tuple[Check, ...] | None = None

    def meets(self, match: Match) -> bool:
        """Tell whether an entry of the policy is about this kind."""
        return match.accepts(*self._about)

    def enforced(self, rule: str, id: str) -> bool:
        """Tell whether what *rule* says by its entry *id* binds."""
        return self.policy.modes.enforced(rule, id)

    @cached_property
    def hours(self) -> tuple[Bound, ...]:
        """Return the allowed hours that this kind has to keep to."""
        return tuple(self._hours())

    @cached_property
    def edges(self) -> Edges | None:
        """Return the ends of these hours, whether or not their mode enforces them."""
        section, allowed = self.policy.intrusiveness, [one.hours.allow for one in self.hours]
        if section is None or not allowed:
            return None
        return self._kinds.edges(tuple(allowed), section.edge)

    def _hours(self) -> Iterator[Bound]:
        if "quiet_hours" in self.category.skips:
            return
        for entry in self.policy.quiet_hours:
            if self.meets(entry.match):
                enforced = self.enforced("quiet_hours", entry.id)
                yield Bound(entry, self._kinds.hours(entry), enforced=enforced)


class Kinds:
    """The kinds of messages that have come up under one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        matches: list[Match] = [cap.match for cap in policy.caps]
        matches += [entry.match for entry in policy.quiet_hours]
        matches += [rule.when for rule in policy.review.rules]
        self._campaigns = _named(match.campaign for match in matches)
        self._topics = _named(match.topic for match in matches)
        self._kinds: dict[tuple[str, str | None, str, str | None], Kind] = {}
        self._hours: dict[str, Hours] = {}
        self._edges: dict[tuple[Any, ...], Edges] = {}

    def kind(self, name: str, campaign: str, channel: str, topic: str | None) -> Kind:
        """Return the kind of a variant of the category with this *name*."""
        about = (
            name,
            campaign if campaign in self._campaigns else None,
            channel,
            topic if topic in self._topics else None,
        )
        known = self._kinds.get(about)
        if known is None:
            if len(self._kinds) >= _KINDS:
                self._kinds.clear()
            known = self._kinds[about] = Kind(self, *about)
        return known

    def hours(self, entry: QuietHours) -> Hours:
        """Return the hours of an entry, the same for all kinds, so that they remember more."""
        return self._hours.setdefault(entry.id, Hours(entry.allow))

    def edges(self, allowed: tuple[Any, ...], edge: int) -> Edges:
        """Return the ends of all these hours, the same for all kinds."""
        return self._edges.setdefault(allowed, Edges(allowed, edge))


_known: dict[int, Kinds] = {}


def kind_of(policy: Policy, candidate: model.Candidate, variant: model.Variant) -> Kind:
    """Return the kind that a variant is of under *policy*, which knows its category.

    Policies are told apart by identity, because to compare two takes longer than to judge a
    message; what is kept holds on to its policy, so that no other one can be taken for it.
    """
    kinds = _known.get(id(policy))
    if kinds is None:
        if len(_known) >= _POLICIES:
            _known.clear()
        kinds = _known[id(policy)] = Kinds(policy)
    return kinds.kind(candidate.category, candidate.campaign, variant.channel, candidate.topic)


def _named(lists: Iterable[frozenset[str] | None]) -> frozenset[str]:
    return frozenset(name for names in lists for name in names or ())

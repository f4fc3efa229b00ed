"""Which label values there can be under a policy, so that every series is there from the start."""

from collections.abc import Iterable, Iterator
from itertools import product

from governor.core.policy import Policy, Section

OTHER = "other"
NONE = "none"

_OUTCOMES = ("release", "defer", "review", "suppress")
_DECIDES = {
    "control": ("defer", "suppress"),
    "validity": ("defer", "suppress"),
    "consent": ("defer", "suppress"),
    "purpose": ("suppress",),
    "persuasion": ("defer", "suppress"),
    "caps": ("defer", "review", "suppress"),
    "intrusiveness": ("defer", "review", "suppress"),
    "quiet_hours": ("defer", "suppress"),
    "oversight": ("review", "suppress"),
    "human_touch": ("defer", "review", "suppress"),
    "arbitration": ("suppress",),
}


def entries_of(policy: Policy) -> dict[str, tuple[str, ...]]:
    """Name the entries that findings can have, by rule; a rule that is not there is left out."""
    found: dict[str, tuple[str, ...]] = {
        "control": ("stop", "pause"),
        "validity": ("cancelled", "expires_at", "not_before", "category"),
        "consent": ("basis", "pause"),
        "caps": ("quota", *(cap.id for cap in policy.caps), "comfort"),
        "quiet_hours": tuple(entry.id for entry in policy.quiet_hours),
        "oversight": tuple(rule.id for rule in policy.review.rules),
        "intrusiveness": ("ceiling",) if policy.intrusiveness else (),
        "purpose": ("free", "sensitive", "minor") if policy.personal_data else (),
        "persuasion": _there(policy.persuasion, "urgency", "budget", "vulnerable"),
        "human_touch": _there(policy.human_touch, "messages", "signals"),
        "arbitration": _arbitration(policy),
    }
    return {rule: ids for rule, ids in found.items() if ids}


def _there(section: Section | None, *ids: str) -> tuple[str, ...]:
    return tuple(id for id in ids if section is not None and getattr(section, id) is not None)


def _arbitration(policy: Policy) -> tuple[str, ...]:
    section = policy.arbitration
    return ("losers",) if section is not None and section.losers == "suppress" else ()


def decision_labels(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Yield outcome, rule and channel of every decision that there can be."""
    channels = sorted(policy.channels)
    yield from product(("release",), (NONE,), channels)
    for rule in entries_of(policy):
        yield from product(_DECIDES[rule], (rule,), channels)


def finding_labels(policy: Policy) -> Iterator[tuple[str, str, str, str]]:
    """Yield rule, id, outcome and mode of every finding that there can be."""
    for rule, ids in entries_of(policy).items():
        for entry, outcome in product(ids, _OUTCOMES):
            yield rule, entry, outcome, str(policy.modes.enforced(rule, entry)).lower()


def limits_of(policy: Policy) -> Iterator[tuple[str]]:
    """Yield the id of everything that counts up to a limit."""
    for entry in ("quota", "comfort", *(cap.id for cap in policy.caps if cap.limit is not None)):
        yield (entry,)


def capped_of(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield every category, and whether its messages meet the caps and count for them."""
    for name, category in policy.categories.items():
        yield name, str(category.counts and "caps" not in category.skips).lower()


def purposes_of(policy: Policy) -> Iterable[str]:
    """Name the purposes that the policy asks for."""
    found = {category.purpose for category in policy.categories.values()}
    if policy.personal_data is not None:
        found.add(policy.personal_data.purpose)
    return sorted(found)

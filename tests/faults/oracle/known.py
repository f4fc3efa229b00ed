"""Whether one decision is right on a given reach of the facts.

What stands against a release falls into groups that look at different topics, so how far each
group's topics were applied can be asked of each group by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.faults.oracle import records
from tests.faults.oracle.book import Candidate, Fact, message_of, variants_of
from tests.faults.oracle.caps import Send, reached, settled
from tests.faults.oracle.consent import refusal
from tests.faults.oracle.records import Json, instant, moment
from tests.faults.oracle.rules import Message, Rules, is_open
from tests.faults.oracle.verdicts import Decided

Reach = tuple[int, ...]

_LATER = 3_600_000


class Known:
    """What was known at one decision: so many facts of each stream, and all releases before."""

    def __init__(
        self,
        streams: dict[str, Sequence[Fact]],
        sends: Sequence[Send],
        at_first: Reach | None,
    ) -> None:
        self._streams = streams
        self._at_first = at_first
        self.sends = sends

    def of(self, topic: str) -> list[Json]:
        """Return the facts of a stream that were applied, in the order of the stream."""
        return [fact.value for fact in self._streams[topic]]

    def since_first(self, topic: str) -> list[Json]:
        """Return those that cannot have been applied by the first decision on the message."""
        if self._at_first is None:
            return []
        return [fact.value for fact in self._streams[topic][self._at_first[0] :]]

    @cached_property
    def profile(self) -> Json | None:
        latest: Json | None = None
        for profile in self.of(records.PROFILES):
            if latest is None or moment(profile["at"]) >= moment(latest["at"]):
                latest = profile
        return latest

    @property
    def consents(self) -> list[Json]:
        return self.of(records.CONSENTS)

    @property
    def feedback(self) -> list[Json]:
        return self.of(records.FEEDBACK)


Reasons = Callable[[Rules, Candidate, Message, int, Known], set[str]]


@dataclass(frozen=True)
class Group:
    """Codes that stand on the facts of the same topics, and what computes them."""

    topics: tuple[str, ...]
    promises: dict[str, str]
    reasons: Reasons

    def wrong(
        self, rules: Rules, candidate: Candidate, decided: Decided, known: Known
    ) -> str | None:
        """Say why the decision cannot be right on what is known, None when it can."""
        code, outcome = decided.value["code"], decided.value["outcome"]
        if outcome != "release" and code not in self.promises:
            return None
        message = message_of(candidate.value, decided.value["channel"])
        against = self.reasons(rules, candidate, message, decided.at, known)
        if outcome == "release":
            promises = ", ".join(sorted({self.promises[one] for one in against}))
            return f"{promises}: released against {sorted(against)}" if against else None
        if code in against or (code == "cancelled" and _maybe_cancelled(candidate, known)):
            return self._wrong_time(rules, candidate, message, decided, known)
        return f"one-verdict: {outcome} for {code}, which cannot be (there is {sorted(against)})"

    def _wrong_time(
        self, rules: Rules, candidate: Candidate, message: Message, decided: Decided, known: Known
    ) -> str | None:
        """Say why it cannot be the first second to go, where there is only one variant."""
        at = instant(decided.value["eligible_at"])
        if at is None or len(variants_of(candidate.value)) > 1:
            return None
        if against := self.reasons(rules, candidate, message, at, known):
            return f"explained: it says {at}, but then stands {sorted(against)}"
        if any(message.matched(cap.get("match", {})) for cap in rules.caps_of_households):
            # What others of the household got may be what it waits for.
            return None
        sooner = at - 1_000
        if sooner > decided.at and not self.reasons(rules, candidate, message, sooner, known):
            return f"explained: it says {at}, but could go a second sooner"
        return None


def _of_the_person(
    rules: Rules, candidate: Candidate, message: Message, at: int, known: Known
) -> set[str]:
    category = rules.categories[message.category]
    found = refusal(category, message, [*known.consents, *_refusals(rules, known)], at)
    signs = [*known.feedback, *known.consents]
    slots = settled(known.feedback)
    found |= reached(rules, message, at, known.sends, slots, signs, known.profile)
    if "quiet_hours" not in category.skips and not _open(rules, message, at, known.profile):
        found.add("quiet_hours")
    return found | _validity(rules, candidate, candidate.value, at)


def _of_control(
    rules: Rules, candidate: Candidate, message: Message, at: int, known: Known
) -> set[str]:
    return _control(message, known.of(records.CONTROL))


def _of_cancellations(
    rules: Rules, candidate: Candidate, message: Message, at: int, known: Known
) -> set[str]:
    return {"cancelled"} if _taken_back(candidate, known) else set()


def _of_reviews(
    rules: Rules, candidate: Candidate, message: Message, at: int, known: Known
) -> set[str]:
    waits = rules.needs_review(message) and not _approved(candidate, known)
    return {"needs_review"} if waits else set()


_CONSENT = ("no_consent", "consent_withdrawn", "consent_expired", "objected", "person_paused")
_CAPS = ("cap_reached", "min_gap", "bypass_quota", "silence_after_refusal")
_CLOCK = ("quiet_hours", "expired", "not_yet")
_RESTRICTIVE = "restrictive-inputs-first"
GROUPS = (
    Group(
        (records.CONSENTS, records.FEEDBACK, records.PROFILES),
        {
            **dict.fromkeys(_CONSENT, "no-consent-no-release"),
            **dict.fromkeys(_CAPS, "never-above-a-cap"),
            **dict.fromkeys(_CLOCK, "judged-again-at-release"),
        },
        _of_the_person,
    ),
    Group(
        (records.CONTROL,),
        dict.fromkeys(("paused_campaign", "kill_switch"), _RESTRICTIVE),
        _of_control,
    ),
    Group((records.CANCELLATIONS,), {"cancelled": _RESTRICTIVE}, _of_cancellations),
    Group((records.REVIEWS,), {"needs_review": "judged-again-at-release"}, _of_reviews),
)


def _refusals(rules: Rules, known: Known) -> Iterable[Json]:
    """Take an unsubscription or a complaint for the withdrawal that it is."""
    sent = {one.id: one.message for one in known.sends}
    for told in known.feedback:
        if told["kind"] not in ("unsubscribed", "complained"):
            continue
        message = sent.get(told["message"])
        purpose = "*" if message is None else rules.categories[message.category].purpose
        channel = None
        if told["kind"] == "unsubscribed":
            channel = told.get("channel") if message is None else message.channel
        yield {"action": "withdraw", "purpose": purpose, "channel": channel, "at": told["at"]}


def _control(message: Message, controls: Iterable[Json]) -> set[str]:
    pauses: list[Json] = []
    stops: list[Json] = []
    for control in controls:
        scope = {name: wanted for name, wanted in control.get("scope", {}).items() if wanted}
        held = pauses if control["action"] in ("pause", "resume") else stops
        if control["action"] in ("pause", "stop"):
            held.append(scope)
        elif scope:
            held[:] = [one for one in held if one != scope]
        else:
            held.clear()
    found = set()
    if any(message.matched(scope) for scope in pauses):
        found.add("paused_campaign")
    if any(message.matched(scope) for scope in stops):
        found.add("kill_switch")
    return found


def _validity(rules: Rules, candidate: Candidate, value: Json, at: int) -> set[str]:
    not_before, expires_at = instant(value.get("not_before")), instant(value.get("expires_at"))
    found = set()
    if not_before is not None and at < not_before:
        found.add("not_yet")
    if expires_at is None:
        # Counted from when it was first judged, which is a little later.
        expires_at = candidate.first_at + rules.expires_after + _LATER
    if at >= expires_at:
        found.add("expired")
    return found


def _open(rules: Rules, message: Message, at: int, profile: Json | None) -> bool:
    zone = (profile or {}).get("time_zone") or rules.zone
    return all(
        is_open(entry["allow"], zone, at)
        for entry in rules.hours
        if message.matched(entry.get("match", {}))
    )


def _taken_back(candidate: Candidate, known: Known) -> bool:
    if any(one.get("message") == candidate.id for one in known.of(records.CANCELLATIONS)):
        return True
    campaign = candidate.value["campaign"]
    return any(
        one.get("message") is None and one.get("campaign") == campaign
        for one in known.since_first(records.CANCELLATIONS)
    )


def _maybe_cancelled(candidate: Candidate, known: Known) -> bool:
    campaign = candidate.value["campaign"]
    return any(one.get("campaign") == campaign for one in known.of(records.CANCELLATIONS))


def _approved(candidate: Candidate, known: Known) -> bool:
    answers = [one for one in known.of(records.REVIEWS) if one["message"] == candidate.id]
    first: dict[str, str] = {}
    for one in answers:
        first.setdefault(one["reviewer"], one["answer"])
    return "approve" in first.values() and "refuse" not in first.values()

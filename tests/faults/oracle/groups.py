"""Whether one decision is right on a given reach of the facts.

What stands against a release falls into groups that look at different topics, so how far each
group's topics were applied can be asked of each group by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tests.faults.oracle import records
from tests.faults.oracle.book import Candidate, message_of, variants_of
from tests.faults.oracle.caps import reached
from tests.faults.oracle.consent import refusal
from tests.faults.oracle.known import Known, When
from tests.faults.oracle.persuasion import pressed
from tests.faults.oracle.records import Json, instant
from tests.faults.oracle.rules import Message, Rules
from tests.faults.oracle.score import TOLERANCE, Score, score_of
from tests.faults.oracle.verdicts import Decided

_LATER = 3_600_000
_SHOWN = 1e-4
"""Points of a decision's score are rounded to four places."""

Reasons = Callable[[Rules, Candidate, Message, When, Known], set[str]]


@dataclass(frozen=True)
class Group:
    """Codes that stand on the facts of the same topics, and what computes them."""

    topics: tuple[str, ...]
    promises: dict[str, str]
    reasons: Reasons
    figures: Callable[[Rules, Message, Decided, Known], str | None] | None = None

    def wrong(
        self, rules: Rules, candidate: Candidate, decided: Decided, known: Known
    ) -> str | None:
        """Say why the decision cannot be right on what is known, None when it can."""
        message = message_of(candidate.value, decided.value["variant"])
        complaint = self._wrong_outcome(rules, candidate, message, decided, known)
        if complaint is None and self.figures is not None:
            return self.figures(rules, message, decided, known)
        return complaint

    def _wrong_outcome(
        self, rules: Rules, candidate: Candidate, message: Message, decided: Decided, known: Known
    ) -> str | None:
        code, outcome = decided.value["code"], decided.value["outcome"]
        if outcome != "release" and code not in self.promises:
            return None
        now = When(decided.at, decided.at)
        if outcome == "release":
            against = self.reasons(rules, candidate, message, now, known)
            promises = ", ".join(sorted({self.promises[one] for one in against}))
            return f"{promises}: released against {sorted(against)}" if against else None
        against = self.reasons(rules, candidate, message, replace(now, doubt=-TOLERANCE), known)
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
        when = When(at, decided.at)
        if against := self.reasons(rules, candidate, message, when, known):
            return f"explained: it says {at}, but then stands {sorted(against)}"
        if any(message.matched(cap.get("match", {})) for cap in rules.caps_of_households):
            # What others of the household got may be what it waits for.
            return None
        sooner = When(at - 1_000, decided.at, -TOLERANCE)
        if sooner.at > sooner.now and not self.reasons(rules, candidate, message, sooner, known):
            return f"explained: it says {at}, but could go a second sooner"
        return None


def _of_the_person(
    rules: Rules, candidate: Candidate, message: Message, when: When, known: Known
) -> set[str]:
    at, profile = when.at, known.profile
    category = rules.categories[message.category]
    found = refusal(category, message, [*known.consents, *_refusals(rules, known)], at)
    signs = [*known.feedback, *known.consents]
    found |= reached(rules, message, at, known.taken, signs, profile)
    zone = (profile or {}).get("time_zone")
    if "quiet_hours" not in category.skips and not rules.open_to(message, at, zone):
        found.add("quiet_hours")
    found |= pressed(rules, message, at, known.sends, known.taken, profile)
    score = score_known(rules, message, when, known)
    if score is not None and "intrusiveness" not in category.skips and score.above > when.doubt:
        found.add("too_intrusive")
    return found | _validity(rules, candidate, candidate.value, at)


def score_known(rules: Rules, message: Message, when: When, known: Known) -> Score | None:
    """Return the score of a variant on what is known."""
    said = (known.pressing, known.feedback, known.profile)
    return score_of(rules, message, when.at, when.now, *said)


def _figures(rules: Rules, message: Message, decided: Decided, known: Known) -> str | None:
    """Say where the points that a decision shows, and those that are kept, are not ours."""
    own = score_known(rules, message, When(decided.at, decided.at), known)
    value = decided.value
    if own is None:
        return None
    kept = value["entry"]["exposure"] if value["outcome"] == "release" else own.exposure
    if abs(kept - own.exposure) > TOLERANCE:
        return f"explained: it is kept with an exposure of {kept} points, which is {own.exposure}"
    if value.get("reconstructed"):
        return None
    shown = value["intrusiveness"]
    pairs = {
        name: (shown[name], getattr(own, name)) for name in ("exposure", "pressure", "ceiling")
    }
    unlike = {name: pair for name, pair in pairs.items() if abs(pair[0] - pair[1]) > _SHOWN}
    return f"explained: its score is said to be, and is: {unlike}" if unlike else None


def _of_control(
    rules: Rules, candidate: Candidate, message: Message, when: When, known: Known
) -> set[str]:
    return _control(message, known.of(records.CONTROL))


def _of_cancellations(
    rules: Rules, candidate: Candidate, message: Message, when: When, known: Known
) -> set[str]:
    return {"cancelled"} if _taken_back(candidate, known) else set()


def _of_reviews(
    rules: Rules, candidate: Candidate, message: Message, when: When, known: Known
) -> set[str]:
    waits = rules.needs_review(message) and not _approved(candidate, known)
    return {"needs_review"} if waits else set()


_CONSENT = ("no_consent", "consent_withdrawn", "consent_expired", "objected", "person_paused")
_CAPS = ("cap_reached", "min_gap", "bypass_quota", "silence_after_refusal")
_PRESSURE = {
    "too_intrusive": "never-above-the-ceiling",
    "pressure_budget": "never-above-the-budget",
    "false_urgency": "no-false-urgency",
    "vulnerable": "nobody-vulnerable-is-pressed",
}
_CLOCK = ("quiet_hours", "expired", "not_yet")
_RESTRICTIVE = "restrictive-inputs-first"
GROUPS = (
    Group(
        (records.CONSENTS, records.FEEDBACK, records.PROFILES),
        {
            **dict.fromkeys(_CONSENT, "no-consent-no-release"),
            **dict.fromkeys(_CAPS, "never-above-a-cap"),
            **dict.fromkeys(_CLOCK, "judged-again-at-release"),
            **_PRESSURE,
        },
        _of_the_person,
        _figures,
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

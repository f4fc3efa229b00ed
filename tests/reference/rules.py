"""The rules, each as one function that lists what does not pass at one instant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.reference import score, standing
from tests.reference.case import Case, binding, matches, near_an_edge, within
from tests.reference.facts import Send
from tests.reference.times import DAY, calendar_key, duration

SEVERITY = {"release": 0, "defer": 1, "review": 2, "suppress": 3}


@dataclass(frozen=True)
class Finding:
    """One thing that does not pass for one variant."""

    rule: str
    outcome: str
    code: str
    id: str | None = None
    timed: bool = False
    enforced: bool = True
    reviewers: int = 1


def control(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """A pause in force defers without a time, a stop in force suppresses."""
    attributes = case.attributes(variant)
    kinds = {entry["action"] for entry in case.controls if matches(entry["scope"], attributes)}
    if "pause" in kinds:
        yield Finding("control", "defer", "paused_campaign", id="pause")
    if "stop" in kinds:
        yield Finding("control", "suppress", "kill_switch", id="stop")


def validity(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """Cancelled, expired, or too early."""
    message = case.message
    if message.cancelled:
        yield Finding("validity", "suppress", "cancelled", id="cancelled")
    if now >= message.expires_at:
        yield Finding("validity", "suppress", "expired", id="expires_at")
    if message.not_before is not None and now < message.not_before:
        yield Finding("validity", "defer", "not_yet", id="not_before", timed=True)


def consent(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """The category's bases must carry the message, and the person must not have paused it."""
    where = (variant["channel"], case.message.data.get("topic"))
    code = standing.consent_code(case.person, case.category, *where, now)
    if code:
        yield Finding("consent", "suppress", code, id="basis")
    until = standing.pause_until(case.person, case.category, *where, now)
    if until == standing.FOREVER:
        yield Finding("consent", "suppress", "person_paused", id="pause")
    elif until is not None:
        yield Finding("consent", "defer", "person_paused", id="pause", timed=True)


def purpose(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """Personal data only as deep, from such sources and of such people as was agreed."""
    section = case.section("personal_data")
    if section is None or case.skips("purpose"):
        return
    where = (variant["channel"], case.message.data.get("topic"))
    uses = variant["uses"]
    sensitive = [use for use in uses if use["attribute"] in (section.get("sensitive") or [])]
    guessed = [use for use in uses if use.get("source") in ("inferred", "third_party")]
    wanted = section.get("purpose", "personalisation")
    if score.deepest(case.policy, variant) > section.get("free", 0):
        agreed = standing.agreed(case.person, wanted, *where, now)
        if not agreed:
            yield Finding("purpose", "suppress", "personalisation_refused", id="free")
    if sensitive and (
        not standing.agreed(case.person, "sensitive", *where, now)
        or any(use in guessed for use in sensitive)
    ):
        yield Finding("purpose", "suppress", "sensitive_data", id="sensitive")
    if guessed and standing.is_minor(case.policy, case.person, now):
        yield Finding("purpose", "suppress", "minor", id="minor")


def persuasion(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """No false urgency, not too many techniques, none towards the vulnerable."""
    section, techniques = case.section("persuasion"), variant["techniques"]
    if section is None or not techniques or case.skips("persuasion"):
        return
    if "urgency" in section and {"urgency", "scarcity"} & set(techniques):
        ends = variant["offer_ends_at"]
        first = _first_offer(case, now)
        if ends is None or ends <= now or (first is not None and first.offer_ends_at != ends):
            yield Finding("persuasion", "suppress", "false_urgency", id="urgency")
    if "budget" in section:
        width, limit = duration(section["budget"]["window"]), section["budget"]["limit"]
        spent = [
            send
            for send in case.person.sends
            if send.techniques and not send.refunded and send.at > now - width
        ]
        if len(spent) >= limit:
            yield Finding("persuasion", "defer", "pressure_budget", id="budget", timed=True)
    if "vulnerable" in section:
        burdens = set(case.person.profile.get("vulnerabilities") or [])
        if burdens & set(section["vulnerable"]) or standing.is_minor(case.policy, case.person, now):
            yield Finding("persuasion", "suppress", "vulnerable", id="vulnerable")


def _first_offer(case: Case, now: int) -> Send | None:
    for send in case.person.sends:
        if (
            send.at > now - history(case.policy)
            and send.attributes["campaign"] == case.message.data["campaign"]
            and {"urgency", "scarcity"} & set(send.techniques)
        ):
            return send
    return None


def _rolling(sends: list[Send], width: int, now: int) -> int:
    return sum(1 for send in sends if send.at > now - width)


def _counted(sends: Iterable[Send]) -> list[Send]:
    return [send for send in sends if send.counts and not send.refunded]


def quota(case: Case, now: int) -> Iterator[Finding]:
    """The category's own quota, over its own sends, counted or not."""
    entry = case.category.get("quota")
    if not entry:
        return
    name = case.message.data["category"]
    own = [s for s in case.person.sends if s.attributes["category"] == name and not s.refunded]
    if _rolling(own, duration(entry["window"]), now) >= entry["limit"]:
        outcome = entry.get("at_quota", "defer")
        yield Finding("caps", outcome, "bypass_quota", id="quota", timed=True)


def one_cap(case: Case, cap: dict[str, Any], variant: dict[str, Any], now: int) -> str | None:
    """The code with which a cap of the policy stops the variant, None where it passes."""
    attributes = case.attributes(variant)
    if not matches(cap.get("match"), attributes):
        return None
    if "silence_after" in cap:
        asked = cap["silence_after"]
        kinds = asked if isinstance(asked, list) else [asked]
        silent = [
            signal
            for signal in case.person.signals
            if signal["kind"] in kinds
            and signal["channel"] in (None, variant["channel"])
            and signal["at"] > now - duration(cap["window"])
        ]
        return "silence_after_refusal" if silent else None
    per = cap.get("per") or ["person"]
    shared = [key for key in per if key not in ("person", "household")]
    together = "household" in per and "person" not in per
    group = [
        send
        for send in _counted(case.household_sends if together else case.person.sends)
        if matches(cap.get("match"), send.attributes)
        and all(send.attributes[key] == attributes[key] for key in shared)
    ]
    if "min_gap" in cap:
        code = "household_cap" if together else "min_gap"
        return code if _rolling(group, duration(cap["min_gap"]), now) else None
    if cap["window"].startswith("calendar "):
        unit = cap["window"].split()[1]
        count = max(
            sum(
                calendar_key(unit, name, send.at) == calendar_key(unit, name, now) for send in group
            )
            for name in standing.zones(case.policy, case.person)
        )
    else:
        count = _rolling(group, duration(cap["window"]), now)
    code = "household_cap" if together else "cap_reached"
    return code if count >= _open_slots(case, cap) else None


def _open_slots(case: Case, cap: dict[str, Any]) -> int:
    """How many slots of a limit the message may take: for the lesser ones some are reserved."""
    limit: int = cap["limit"]
    reserve = cap.get("reserve")
    if reserve and case.message.data.get("priority", 50) < reserve["priority_at_least"]:
        return limit - int(reserve["slots"])
    return limit


def caps(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """The quota first, the policy's caps in their order, the person's own limit last."""
    yield from quota(case, now)
    if case.skips("caps"):
        return
    entries: list[dict[str, Any]] = case.policy.get("caps") or []
    for cap in entries:
        code = one_cap(case, cap, variant, now)
        if code:
            outcome = cap.get("at_cap", "defer")
            yield Finding("caps", outcome, code, id=cap["id"], timed=True)
    most = (case.person.profile.get("comfort") or {}).get("max_per_week")
    if most is not None and _rolling(_counted(case.person.sends), 7 * DAY, now) >= most:
        yield Finding("caps", "defer", "cap_reached", id="comfort", timed=True)


def intrusiveness(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """The pressure that is there and the exposure of the variant stay under the ceiling."""
    section = case.section("intrusiveness")
    if section is None or case.skips("intrusiveness"):
        return
    found = sum_of(case, variant, now) or {}
    if found["after"] > found["ceiling"]:
        outcome = section.get("above", "defer")
        yield Finding("intrusiveness", outcome, "too_intrusive", id="ceiling", timed=True)


def sum_of(case: Case, variant: dict[str, Any], now: int) -> dict[str, float] | None:
    """The sum behind the finding, None without the section."""
    section = case.section("intrusiveness")
    if section is None:
        return None
    pressing = [
        send for send in _counted(case.person.sends) if send.at > now - history(case.policy)
    ]
    pressure = score.pressure(section, pressing, now)
    exposure = exposure_of(case, variant, now)
    ceiling = score.ceiling(section, case.person, case.now)
    after = pressure + exposure
    return {"exposure": exposure, "pressure": pressure, "after": after, "ceiling": ceiling}


def history(policy: dict[str, Any]) -> int:
    """How far back the send log reaches."""
    return duration((policy.get("retention") or {}).get("history", "180d"))


def exposure_of(case: Case, variant: dict[str, Any], now: int) -> float:
    """What the variant would add at that instant."""
    if case.section("intrusiveness") is None:
        return 0.0
    topic = case.message.data.get("topic")
    recent = [send for send in _counted(case.person.sends) if send.at > now - 7 * DAY]
    repeats = sum(1 for send in recent if topic is not None and send.attributes["topic"] == topic)
    return score.exposure(case.policy, variant, repeats, edge=near_an_edge(case, variant, now))


def quiet_hours(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """Each matching entry must allow the instant."""
    for entry in binding(case, variant):
        if not within(case, [entry], now):
            outcome = entry.get("outside", "defer")
            yield Finding("quiet_hours", outcome, "quiet_hours", id=entry["id"], timed=True)


def oversight(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """The policy's review rules that match, whether answered or not."""
    if case.skips("oversight"):
        return
    attributes = case.attributes(variant)
    digest = hashlib.sha256(case.message.data["id"].encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    for rule in (case.section("review") or {}).get("rules") or []:
        when = dict(rule.get("when") or {})
        depth = when.pop("depth_at_least", 0)
        if not matches(when, attributes) or score.deepest(case.policy, variant) < depth:
            continue
        if "sample" in rule and share >= rule["sample"]:
            continue
        reviewers = rule.get("reviewers", 1)
        yield Finding("oversight", "review", "needs_review", id=rule["id"], reviewers=reviewers)


def human_touch(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """Too many messages since a human spoke with the person, or a signal that one should."""
    section = case.section("human_touch")
    if section is None or case.message.data["category"] not in _listed(section["hold"]):
        return
    contacts = [s["at"] for s in case.person.signals if s["kind"] == "human_contacted"]
    since = max([*contacts, now - history(case.policy) + 1])
    outcome = section.get("then", "defer")
    sent = [send for send in _counted(case.person.sends) if send.at >= since]
    if "messages" in section and len(sent) >= section["messages"]:
        yield Finding("human_touch", outcome, "needs_human", id="messages")
    said = [s for s in case.person.signals if s["kind"] in _listed(section.get("signals", []))]
    if any(s["at"] >= since for s in said):
        yield Finding("human_touch", outcome, "needs_human", id="signals")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def arbitration(case: Case, variant: dict[str, Any], now: int) -> Iterator[Finding]:
    """A message that lost to others of its window is dropped."""
    if case.outranked:
        yield Finding("arbitration", "suppress", "outranked", id="losers")


ORDER = [
    control,
    validity,
    consent,
    purpose,
    persuasion,
    caps,
    intrusiveness,
    quiet_hours,
    oversight,
    human_touch,
    arbitration,
]

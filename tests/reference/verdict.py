"""From the findings of each variant to the outcome of the message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.reference.case import Case
from tests.reference.facts import Message
from tests.reference.rules import SEVERITY, Finding
from tests.reference.search import raw_findings, variant_time
from tests.reference.times import duration


@dataclass
class View:
    """How one variant stands."""

    variant: dict[str, Any]
    findings: list[Finding]
    outcome: str
    code: str | None
    time: int | None


@dataclass
class Verdict:
    """How the message stands."""

    outcome: str
    code: str | None
    eligible_at: int | None
    variant: dict[str, Any]
    views: list[View]


def judge_message(case: Case, now: int, *, woken_early: bool) -> Verdict:
    """Judge one message at one instant; `woken_early` says that none of its times has come."""
    views = [_view(case, variant, now) for variant in case.message.variants]
    best = min(views, key=lambda view: SEVERITY[view.outcome])
    outcome, code = best.outcome, best.code
    if outcome == "suppress" and woken_early:
        timed = [view for view in views if view.time is not None]
        if timed:
            best = timed[0]
            outcome, code = "defer", best.code
    eligible = None
    if outcome == "defer":
        times = [v.time for v in views if v.outcome != "review" and v.time is not None]
        eligible = min(times, default=None)
    return Verdict(outcome, code, eligible, best.variant, views)


def _view(case: Case, variant: dict[str, Any], now: int) -> View:
    findings = answered(case, variant, now)
    enforced = [finding for finding in findings if finding.enforced]
    outcome = max((f.outcome for f in enforced), key=lambda o: SEVERITY[o], default="release")
    code = next((f.code for f in enforced if f.outcome == outcome), None)
    defers = [f for f in enforced if f.outcome == "defer"]
    held = any(f.rule == "control" for f in defers) or _waits_for_a_human(
        case, variant, defers, now
    )
    time = None
    blocking = [f for f in enforced if f.outcome != "review"]
    if blocking and all(f.timed for f in blocking):
        time = variant_time(case, variant, now)
    if defers and outcome != "suppress" and time is None and not held:
        outcome, code = "suppress", defers[0].code
    return View(variant, findings, outcome, code, time)


def _waits_for_a_human(
    case: Case, variant: dict[str, Any], defers: list[Finding], now: int
) -> bool:
    """Whether it is deferred for a human, and by nothing that would never end."""
    others = [f for f in defers if f.rule != "human_touch"]
    if len(others) == len(defers):
        return False
    timed = all(f.timed for f in others)
    return not others or (timed and variant_time(case, variant, now, "human_touch") is not None)


def answered(case: Case, variant: dict[str, Any], now: int) -> list[Finding]:
    """The findings of a variant, those that end in review turned into what came of the review."""
    message = case.message
    own = raw_findings(case, variant, now)
    everywhere = [
        finding
        for other in message.variants
        for finding in raw_findings(case, other, now)
        if finding.outcome == "review"
    ]
    if everywhere and _refused(case):
        return _refuse(own, everywhere)
    found = []
    for finding in own:
        if finding.outcome != "review":
            found.append(finding)
        elif _approvals(case, variant) < finding.reviewers:
            if not _overdue(case, now):
                found.append(finding)
            elif _section(case).get("on_deadline", "suppress") == "suppress":
                found.append(
                    replace(finding, outcome="suppress", code="review_expired", timed=False)
                )
    return found


def _refuse(own: list[Finding], everywhere: list[Finding]) -> list[Finding]:
    found = [_no(f) if f.outcome == "review" else f for f in own]
    if not any(f.code == "review_refused" and f.enforced for f in found):
        first = next((f for f in everywhere if f.enforced), everywhere[0])
        found.append(_no(first))
    return found


def _no(finding: Finding) -> Finding:
    return replace(finding, outcome="suppress", code="review_refused", timed=False)


def _section(case: Case) -> dict[str, Any]:
    return case.section("review") or {}


def deadline(policy: dict[str, Any], message: Message) -> int | None:
    """When the review of a message ends, None before its first decision with that outcome."""
    if message.first_review is None:
        return None
    section = policy.get("review") or {}
    return message.first_review + duration(section.get("deadline", "24h"))


def _overdue(case: Case, now: int) -> bool:
    end = deadline(case.policy, case.message)
    return end is not None and now >= end


def _first_answers(case: Case) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for answer in case.person.answers:
        if answer["message"] == case.message.data["id"]:
            seen.setdefault(answer["reviewer"], answer)
    return list(seen.values())


def _refused(case: Case) -> bool:
    return any(answer["answer"] == "refuse" for answer in _first_answers(case))


def _approvals(case: Case, variant: dict[str, Any]) -> int:
    end = deadline(case.policy, case.message)
    return sum(
        1
        for answer in _first_answers(case)
        if answer["answer"] == "approve"
        and answer["variant"] in (None, variant["id"])
        and (end is None or answer["received"] <= end)
    )

"""Why a message did or did not go out, in sentences: for ops, and for the person it was for."""

import re
from collections.abc import Mapping
from typing import Any

Decision = Mapping[str, Any]
Finding = Mapping[str, Any]

OPS: Mapping[str, str] = {
    "no_consent": "no consent on record; it needs {limit} for this purpose",
    "consent_withdrawn": "the person refused or withdrew consent; it needs {limit}",
    "consent_expired": "the consent has expired; it needs {limit}",
    "consent_unproven": "there is no proof of the consent: notice and method are not on record",
    "objected": "the person objected to this purpose",
    "personalisation_refused": "it knows more of the person than they agreed to"
    " (depth {observed}, free up to {limit})",
    "sensitive_data": "it uses sensitive data ({observed}) without an explicit consent,"
    " or from a source that is not allowed",
    "minor": "the person is a minor, and it uses what was inferred or bought",
    "cap_reached": "{observed} of {limit} are used up{window}",
    "min_gap": "the last message was {observed} ago; at least {limit} must lie between",
    "silence_after_refusal": "the person said no {observed} ago; then there is silence{window}",
    "bypass_quota": "the category's own quota is used up: {observed} of {limit}{window}",
    "quiet_hours": "outside the hours that are allowed where the person is",
    "too_intrusive": "it would weigh too much: {observed} of {limit} points",
    "person_paused": "the person has paused messages",
    "false_urgency": "it urges without a true end of the offer ({observed})",
    "pressure_budget": "{observed} of {limit} pressing messages are used up{window}",
    "vulnerable": "the person is not to be pressed ({observed})",
    "outranked": "better messages to the person went first in the same window: {observed}",
    "paused_campaign": "paused by ops; it waits until they resume it",
    "kill_switch": "stopped by ops",
    "needs_review": "it waits for a reviewer's answer (needed: {limit})",
    "needs_human": "a human has to be in touch with the person first;"
    " since the last time: {observed}",
    "review_refused": "a reviewer refused it",
    "review_expired": "no reviewer answered in time",
    "expired": "it is past its end, {limit}",
    "cancelled": "the engine took it back",
    "not_yet": "the engine wants it to go no earlier than {limit}",
    "household_cap": "the household has had {observed} of {limit}{window}",
    "ledger_unavailable": "what is known of the person could not be read; nothing goes out blindly",
    "policy_fault": "the policy has no category `{observed}` any more",
}
"""What each code means to ops; {limit}, {observed} and {window} are the finding's own."""

_LAST_WORD = "You asked us not to send you this."
_ENOUGH = "You had already heard enough from us."

PERSON: Mapping[str, str] = {
    "no_consent": "You have not agreed to get this kind of message.",
    "consent_withdrawn": _LAST_WORD,
    "consent_expired": "Your agreement to get this kind of message has run out.",
    "consent_unproven": "We could not prove that you agreed to get this kind of message.",
    "objected": _LAST_WORD,
    "personalisation_refused": "It used more of your data than you agreed to.",
    "sensitive_data": "It used sensitive data that you did not agree to.",
    "minor": "It used data that must not be used for minors.",
    "cap_reached": _ENOUGH,
    "min_gap": "Another message had reached you shortly before.",
    "silence_after_refusal": "You said no, and we leave you alone for a while.",
    "bypass_quota": _ENOUGH,
    "quiet_hours": "It was too early, too late or a day off where you are.",
    "too_intrusive": "It would have been too much, or too personal, on top of earlier messages.",
    "person_paused": "You have paused our messages.",
    "false_urgency": "It would have hurried you without a real reason.",
    "pressure_budget": "You have been urged often enough lately.",
    "vulnerable": "It would have urged you at a time when nobody should.",
    "outranked": "Another message to you mattered more.",
    "paused_campaign": "We are holding messages like this back at the moment.",
    "kill_switch": "We have stopped messages like this.",
    "needs_review": "One of us looks at it before it may go out.",
    "needs_human": "One of us wants to speak with you first.",
    "review_refused": "One of us looked at it and decided against it.",
    "review_expired": "None of us could look at it in time.",
    "expired": "It came too late to be of use.",
    "cancelled": "It was taken back.",
    "not_yet": "It is not time for it yet.",
    "household_cap": "Your household had already heard enough from us.",
    "ledger_unavailable": "We could not check your wishes, so we sent nothing.",
    "policy_fault": "We could not tell what kind of message it was, so we sent nothing.",
}
"""What each code means to the person, without names of rules or numbers."""

_OUTCOMES = {
    "release": "released",
    "defer": "deferred",
    "review": "sent to review",
    "suppress": "suppressed",
}
_IN_SECONDS = frozenset({"min_gap", "silence_after_refusal"})
_PLACEHOLDER = re.compile(r"\{(limit|observed|window)\}")


def texts(decision: Decision) -> list[str]:
    """Return one sentence for each finding of *decision*, in their order, in the words of ops."""
    return [_sentence(finding) for finding in decision["findings"]]


def meaning(finding: Finding) -> str:
    """Return what the code of *finding* means to ops, filled in as in `texts`."""
    code = finding["code"] or "no_code"
    return _filled(OPS.get(code, f"{code} ({{observed}} of {{limit}})"), finding)


def for_ops(decision: Decision) -> list[str]:
    """Tell what was decided, then what decided it, then all else that was found."""
    by_way = f"variant {decision['variant']} by {decision['channel']}"
    head = (
        f"{decision['decided_at']}: {_OUTCOMES[decision['outcome']]}, {by_way}"
        f" (attempt {decision['attempt']}, policy {decision['policy']})"
    )
    if decision["code"]:
        head += f": {decision['code']}"
    if decision["outcome"] in ("defer", "review"):
        head += f"; {_eligible(decision['eligible_at'])}"
    marked = [
        (not _decides(finding, decision), finding["outcome"] == "release", text)
        for finding, text in zip(decision["findings"], texts(decision), strict=True)
    ]
    ranked = sorted(marked, key=lambda one: one[:2])
    return [head, *(f"{'- ' if other else '* '}{text}" for other, _, text in ranked)]


def for_person(decision: Decision) -> str:
    """Tell the person what became of the message, and why."""
    if decision["outcome"] == "release":
        grounds = [
            str(finding["limit"])
            for finding in decision["findings"]
            if (finding["rule"], finding["id"]) == ("consent", "basis") and finding["limit"]
        ]
        ground = f" on the ground of {grounds[0].replace('_', ' ')}" if grounds else ""
        return f"It was sent to you by {decision['channel']}{ground}; no limit stood against it."
    why = PERSON.get(decision["code"] or "", "We had a reason not to send it.")
    if decision["outcome"] == "suppress":
        return f"It was not sent. {why}"
    later = decision["eligible_at"]
    return f"It has not been sent yet. {why}" + (f" It may come from {later} on." if later else "")


def _decides(finding: Finding, decision: Decision) -> bool:
    return (
        finding["code"] is not None
        and finding["code"] == decision["code"]
        and finding["variant"] == decision["variant"]
        and finding["enforced"]
    )


def _sentence(finding: Finding) -> str:
    place = f"{finding['rule']} {finding['id']}, variant {finding['variant']}"
    if finding["outcome"] == "release":
        return f"{place}: passed{_measured(finding)}"
    text = f"{place}: {_OUTCOMES[finding['outcome']]}, {meaning(finding)}"
    if finding["eligible_at"]:
        text += f"; {_eligible(finding['eligible_at'])}"
    return text if finding["enforced"] else f"{text} (shadow: not enforced)"


def _measured(finding: Finding) -> str:
    limit, observed = finding["limit"], finding["observed"]
    within = f" in {finding['window']}" if finding["window"] else ""
    if isinstance(limit, int | float) and isinstance(observed, int | float):
        return f", {_number(observed)} of {_number(limit)}{within}"
    if isinstance(limit, str):
        return f", {limit}"
    return ""


def _filled(template: str, finding: Finding) -> str:
    seconds = finding["code"] in _IN_SECONDS
    window = finding["window"]
    values = {
        "limit": _value(finding["limit"], seconds=seconds),
        "observed": _value(finding["observed"], seconds=seconds),
        "window": f" in {window}" if window else "",
    }
    if window and finding["code"] == "silence_after_refusal":
        values["window"] = f" for {window}"
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _value(value: Any, *, seconds: bool) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return value
    return _duration(value) if seconds else _number(value)


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _duration(seconds: float) -> str:
    """Write a length of time with its two largest units."""
    left, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _eligible(at: str | None) -> str:
    return f"possible from {at}" if at else "no time is known at which it could go"

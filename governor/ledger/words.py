"""The words that a record in the ledger holds as numbers: their places are part of its format."""

from collections.abc import Callable
from typing import Any

Word = int | str

KNOWN = (
    None,
    # actions and bases of consents, kinds of feedback
    *("grant", "refuse", "withdraw", "object", "unobject", "pause", "resume"),
    *("consent", "legitimate_interest", "soft_opt_in", "contract", "legal_obligation"),
    *("delivered", "bounced", "failed", "opened", "clicked", "converted", "dismissed", "replied"),
    *("complained", "unsubscribed", "too_much", "less", "more", "human_contacted"),
    # purposes, categories, channels, techniques and comfort levels that most policies name
    *("*", "marketing", "personalisation", "profiling", "service", "sensitive"),
    *("promotional", "transactional", "newsletter"),
    *("email", "sms", "push", "in_app", "web", "whatsapp", "call", "mail"),
    *("urgency", "scarcity", "low", "normal", "high"),
    # codes of verdicts
    *("no_consent", "consent_withdrawn", "consent_expired", "consent_unproven", "objected"),
    *("personalisation_refused", "sensitive_data", "minor", "cap_reached", "min_gap"),
    *("silence_after_refusal", "bypass_quota", "quiet_hours", "too_intrusive", "person_paused"),
    *("false_urgency", "pressure_budget", "vulnerable", "outranked", "paused_campaign"),
    *("kill_switch", "needs_review", "review_refused", "review_expired", "expired", "cancelled"),
    *("not_yet", "household_cap", "ledger_unavailable", "policy_fault", "needs_human"),
    "comfort_reset",
)

# Both leave alone what they do not know: `number_of(name, name)`, `name_of(number, number)`.
number_of: Callable[[Any, Any], Any] = {name: number for number, name in enumerate(KNOWN)}.get
name_of: Callable[[Any, Any], Any] = dict(enumerate(KNOWN)).get

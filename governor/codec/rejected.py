"""Why a record is not accepted, in words that may stand in a log."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Reason = Literal[
    "undecodable",
    "invalid",
    "oversized",
    "unknown_category",
    "unknown_channel",
    "key_mismatch",
    "conflicting_id",
    "future_time",
]

MOST_FLAWS = 5
LONGEST_DETAIL = 500

FOUND_LATER: Mapping[str, str] = {
    "conflicting_id": "id: is known with other content",
    "future_time": "created_at: is more than 5 minutes ahead of its record",
}
"""What is said of candidates that are refused only when they are judged."""

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII).fullmatch
_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "is longer than {max_length} characters",
    "string_unicode": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "literal_error": "must be {expected}",
}


class Rejected(Exception):
    """A record that goes to the dead letters.

    `detail` is one bounded line, the place first; it holds no value of the person, so that it
    may be logged.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


def named(name: str) -> str:
    """Show a *name* that belongs to no person, unless it could break a log line."""
    return f"`{name}`" if _PLAIN(name) else "this name"


def invalid(kind: str, error: ValidationError, raw: Mapping[str, Any]) -> Rejected:
    """Say what is wrong with the *kind* of record that *raw* is, without showing its values."""
    short = kind == "candidate" and not raw.get("variants")
    flaws = error.errors(include_url=False)
    lines = [_flaw(kind, flaw, short=short) for flaw in flaws[:MOST_FLAWS]]
    if len(flaws) > MOST_FLAWS:
        lines.append(f"and {len(flaws) - MOST_FLAWS} more")
    return Rejected("invalid", "; ".join(lines)[:LONGEST_DETAIL])


def _flaw(kind: str, flaw: ErrorDetails, *, short: bool) -> str:
    place = flaw["loc"]
    if short and place[:2] == ("variants", 0):
        place = place[2:]
    words = [part if _PLAIN(part) else "?" for part in map(str, place)]
    if place[:1] == ("groups",):
        words[1:] = ["?"] * len(words[1:])
    return f"{'.'.join(words) or kind}: {_message(flaw)}"


def _message(flaw: ErrorDetails) -> str:
    context = flaw.get("ctx", {})
    if flaw["type"] == "value_error":
        text = str(context["error"])
        written = flaw["input"]
        return text.replace(f"`{written[:40]}` ", "", 1) if isinstance(written, str) else text
    return _MESSAGES.get(flaw["type"], "is not valid").format(**context)

"""What arrives on the topics, as values of the core or as a reason not to take it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from governor.codec.digest import content32, digest64
from governor.codec.rejected import LONGEST_DETAIL, Reason, Rejected, invalid, named
from governor.codec.unwrap import Headers, checked, parse, unwrap
from governor.core import model
from governor.core.form import candidate_of
from governor.core.incoming import EventKind, FactKind, Incoming, Told
from governor.core.instant import MINUTE, parse_instant
from governor.core.policy.values import suggestion

__all__ = [
    "MAX_BYTES",
    "EventKind",
    "FactKind",
    "Headers",
    "Names",
    "Reason",
    "Rejected",
    "decode_candidate",
    "decode_control",
    "decode_event",
    "decode_fact",
    "digest64",
    "parse",
    "unwrap",
]

MAX_BYTES = 1 << 20
AHEAD = 5 * MINUTE
LONGEST_TRACE = 8_192
"""So much of a trace header is passed on; the W3C's are far shorter."""
_LAST_RECORD = parse_instant("6000-01-01T00:00:00Z")

T = TypeVar("T")
W = TypeVar("W", bound=model.Wire)
F = TypeVar("F", bound=model.Fact | model.Control)

_FACTS: dict[FactKind, Callable[[Any], model.Fact]] = {
    "cancellation": model.Cancellation.model_validate,
    "consent": model.ConsentChange.model_validate,
    "profile": model.Profile.model_validate,
    "feedback": model.Feedback.model_validate,
    "review": model.ReviewAnswer.model_validate,
}
_TRACE = ("traceparent", "tracestate")


class Names(Protocol):
    """The names that a policy knows."""

    @property
    def categories(self) -> Mapping[str, Any]:
        """Every category, by its name."""

    @property
    def channels(self) -> frozenset[str]:
        """Every channel."""


def decode_candidate(
    value: bytes | None,
    headers: Headers,
    key: bytes | None,
    record_at: int,
    policy: Names,
    max_bytes: int = MAX_BYTES,
    digest_key: bytes = b"",
) -> Incoming:
    """Read a candidate's record; raises Rejected with the first reason that applies."""
    raw = unwrap(value, headers)
    candidate = _read("candidate", candidate_of, raw)
    _must_fit(value, max_bytes)
    _must_be_known(candidate, policy)
    _must_match(key, candidate.person)
    return _incoming(candidate, raw, record_at, _trace(headers), digest_key)


def decode_fact(
    kind: FactKind,
    value: bytes | None,
    headers: Headers,
    key: bytes | None,
    record_at: int,
    max_bytes: int = MAX_BYTES,
) -> Told:
    """Read the record of a fact about one person; raises Rejected.

    A review may be keyed by the person or the pseudonym, so its key is not compared.
    """
    fact = _read(kind, _FACTS[kind], unwrap(value, headers))
    _must_fit(value, max_bytes)
    if kind != "review":
        _must_match(key, fact.person)
    return Told(_not_ahead(fact, record_at), _held(record_at))


def decode_control(
    value: bytes | None, headers: Headers, record_at: int, max_bytes: int = MAX_BYTES
) -> model.Control:
    """Read the record of a control, whatever its key; raises Rejected."""
    control = _read("control", model.Control.model_validate, unwrap(value, headers))
    _must_fit(value, max_bytes)
    return _not_ahead(control, record_at)


def decode_event(
    kind: EventKind, data: object, at: int, policy: Names
) -> Incoming | Told | model.Control:
    """Read what an event holds that arrived at *at*, as its record would be read.

    *data* is taken from what `parse` gave. Raises Rejected.
    """
    raw = checked(data)
    if kind == "candidate":
        candidate = _read(kind, candidate_of, raw)
        _must_be_known(candidate, policy)
        return _incoming(candidate, raw, at)
    if kind == "control":
        return _not_ahead(_read(kind, model.Control.model_validate, raw), at)
    return Told(_not_ahead(_read(kind, _FACTS[kind], raw), at), at)


def _read(kind: str, read: Callable[[dict[str, Any]], T], raw: dict[str, Any]) -> T:
    try:
        return read(raw)
    except ValidationError as error:
        raise invalid(kind, error, raw) from None


def _incoming(
    candidate: model.Candidate,
    raw: dict[str, Any],
    record_at: int,
    trace: tuple[tuple[str, bytes], ...] = (),
    digest_key: bytes = b"",
) -> Incoming:
    record_at = _held(record_at)
    future = candidate.created_at > record_at + AHEAD
    digest = digest64(raw, digest_key)
    contents = [content32(candidate.person, one.content, digest_key) for one in candidate.variants]
    return Incoming(candidate, raw, digest, record_at, future, trace, tuple(contents))


def _trace(headers: Headers) -> tuple[tuple[str, bytes], ...]:
    if not headers:
        return ()
    found = {name: content for name, content in headers if content and name in _TRACE}
    return tuple(item for item in found.items() if len(item[1]) <= LONGEST_TRACE)


def _must_fit(value: bytes | None, max_bytes: int) -> None:
    if value is not None and len(value) > max_bytes:
        raise Rejected("oversized", f"value: has {len(value)} bytes, at most {max_bytes} fit")


def _must_be_known(candidate: model.Candidate, policy: Names) -> None:
    category, known = candidate.category, policy.categories
    if category not in known:
        hint = suggestion(category, known)
        text = f"category: {named(category)} is not in the policy{hint}"
        raise Rejected("unknown_category", text[:LONGEST_DETAIL])
    for index, variant in enumerate(candidate.variants):
        if variant.channel not in policy.channels:
            hint = suggestion(variant.channel, policy.channels)
            text = f"variants.{index}.channel: {named(variant.channel)} is not in the policy{hint}"
            raise Rejected("unknown_channel", text[:LONGEST_DETAIL])


def _must_match(key: bytes | None, person: str) -> None:
    if key is not None and key != person.encode():
        raise Rejected("key_mismatch", "key: is not the `person` of the value")


def _not_ahead(fact: F, record_at: int) -> F:
    """Date what lies ahead of its record at the record, unless it would loosen something."""
    record_at = _held(record_at)
    if fact.at <= record_at + AHEAD:
        return fact
    if _loosens(fact):
        raise Rejected("future_time", "at: is more than 5 minutes ahead of its record")
    return _at(fact, record_at)


def _held(record_at: int) -> int:
    """Hold a record's time, which whoever produces it may choose, to what can be written down."""
    return min(max(record_at, 0), _LAST_RECORD)


def _at(fact: W, record_at: int) -> W:
    return fact.model_copy(update={"at": record_at})


def _loosens(fact: model.Fact | model.Control) -> bool:
    return isinstance(fact, model.ConsentChange | model.Control) and fact.loosens

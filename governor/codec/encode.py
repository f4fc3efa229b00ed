"""What goes out on the topics: decisions, released messages, and their headers."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from governor.codec.unwrap import Headers
from governor.core.instant import SECOND, format_instant, format_second
from governor.core.model import Candidate, Variant
from governor.core.resolution import Handover, Resolution
from governor.core.standing import Entry
from governor.core.verdict import OUTCOME_NAMES, Finding, Score

_encode = msgspec.json.Encoder().encode
_JUDGED = ("uses", "techniques", "ai_generated")
_OF_THE_VARIANT = ("channel", "content", *_JUDGED)
# What a variant calls by a name of the candidate would be read as the candidate's own.
_STAYS_BEHIND = frozenset((*Candidate.__struct_fields__, *Variant.__struct_fields__)) - set(
    _OF_THE_VARIANT
)
_MOST_REMEMBERED = 4_096

RELEASED_TYPE, DECIDED_TYPE = b"outreach.released.v1", b"outreach.decided.v1"
HANDED_OVER_TYPE = b"outreach.handed-over.v1"

Header = tuple[str, bytes]

_JSON: Header = ("content-type", b"application/json")
_RELEASED, _DECIDED, _HANDED_OVER = (
    (("ce_source", source), ("ce_type", kind), ("ce_specversion", b"1.0"))
    for source, kind in (
        (b"governor/released", RELEASED_TYPE),
        (b"governor/decisions", DECIDED_TYPE),
        (b"governor/handovers", HANDED_OVER_TYPE),
    )
)


class WrittenFinding(msgspec.Struct, gc=False):
    """A finding as a decision's record holds it."""

    rule: str
    id: str
    variant: str
    outcome: str
    enforced: bool
    code: str | None
    limit: float | str | None
    observed: float | str | None
    window: str | None
    eligible_at: str | None


class _Score(msgspec.Struct, gc=False):
    exposure: float
    pressure: float
    after: float
    ceiling: float


class _Entry(msgspec.Struct, gc=False):
    household: str | UnsetType | None = UNSET
    counts: bool | UnsetType = UNSET
    techniques: Sequence[str] | UnsetType = UNSET
    offer_ends_at: str | UnsetType | None = UNSET
    exposure: float | UnsetType = UNSET


class _WholeEntry(_Entry, kw_only=True, gc=False):
    """All that the ledger keeps of a release and the released record itself does not tell."""

    variant_index: int
    attempt: int
    seq: int
    digest: str
    content_digest: str | None


class _Decision(msgspec.Struct, gc=False):
    """A decision as published, in the contract's order."""

    id: str
    message: str
    person: str
    campaign: str
    category: str
    topic: str | None
    outcome: str
    final: bool
    variant: str
    channel: str
    code: str | None
    eligible_at: str | None
    attempt: int
    seq: int
    decided_at: str
    policy: str
    mode: str
    findings: list[msgspec.Raw]
    intrusiveness: _Score | None
    entry: _Entry | None
    variant_index: int
    digest: str
    content_digest: str | None
    reconstructed: bool | UnsetType


def encode_decision(resolution: Resolution, *, person: str) -> bytes:
    """Write the decision as published; *person* is what stands for the person in it."""
    verdict, candidate = resolution.verdict, resolution.incoming.candidate
    variant = candidate.variants[verdict.variant]
    return _encode(
        _Decision(
            resolution.decision_id,
            candidate.id,
            person,
            candidate.campaign,
            candidate.category,
            candidate.topic,
            OUTCOME_NAMES[verdict.outcome],
            verdict.final,
            variant.id,
            variant.channel,
            verdict.code,
            None if verdict.eligible_at is None else format_second(verdict.eligible_at),
            resolution.attempt,
            resolution.seq,
            format_instant(resolution.decided_at),
            resolution.policy,
            "enforce",
            [_FINDINGS[finding] for finding in verdict.findings],
            None if verdict.score is None else _score(verdict.score),
            None if resolution.entry is None else _Entry(*_kept(resolution.entry)),
            verdict.variant,
            f"{resolution.incoming.digest:016x}",
            _content(resolution.entry),
            True if resolution.reconstructed else UNSET,
        )
    )


def encode_released(
    resolution: Resolution, unsubscribe: dict[str, Any] | None, send_before: int | None
) -> bytes:
    """Write the candidate as it came, with the deciding variant alone, for the sender.

    *unsubscribe* is the contract's object; *send_before* is a moment (ms).
    """
    incoming, index = resolution.incoming, resolution.verdict.variant
    released = dict(incoming.raw)
    variants = released.pop("variants", None)
    if variants:
        # What is said beside the variants of what they use was not judged.
        for name in _JUDGED:
            released.pop(name, None)
        for name, content in variants[index].items():
            if name in _OF_THE_VARIANT or (name not in _STAYS_BEHIND and name not in released):
                released[name] = content
    released["decision"] = resolution.decision_id
    released["variant"] = incoming.candidate.variants[index].id
    released["send_before"] = None if send_before is None else format_shortly(send_before)
    released["unsubscribe"] = unsubscribe
    return _encode(released)


def released_headers(resolution: Resolution) -> list[Header]:
    """Make the headers of a released record: CloudEvents, what to deduplicate by, the trace.

    `governor_entry` is what a rebuild of the ledger needs besides.
    """
    id = resolution.decision_id.encode()
    return [
        *_cloud_event(id, _RELEASED, resolution.decided_at),
        ("governor_decision_id", id),
        ("idempotency_key", resolution.incoming.candidate.id.encode()),
        ("governor_entry", _encode(_whole_entry(resolution))),
        *resolution.incoming.trace,
    ]


def decision_headers(resolution: Resolution) -> list[Header]:
    """Make the headers of a decision's record: CloudEvents and the trace."""
    id = resolution.decision_id.encode()
    return [*_cloud_event(id, _DECIDED, resolution.decided_at), *resolution.incoming.trace]


def encode_handover(handover: Handover) -> bytes:
    """Write what a human is told who is to be in touch with a person."""
    return _encode(
        {
            "id": handover.id,
            "person": handover.person,
            "why": handover.why,
            "since": format_instant(handover.since),
            "message": handover.message,
            "campaign": handover.campaign,
            "channel": handover.channel,
        }
    )


def handover_headers(handover: Handover) -> list[Header]:
    """Make the headers of a hand-over's record, the same whenever it is told again."""
    return _cloud_event(handover.id.encode(), _HANDED_OVER, handover.since)


def dead_letter_headers(
    headers: Headers, reason: str, topic: str, partition: int, offset: int, at: int
) -> list[tuple[str, bytes | None]]:
    """Append to a record's own *headers* where it came from and why it was not taken."""
    return [
        *headers,
        ("dlq_reason", reason.encode()),
        ("dlq_topic", topic.encode()),
        ("dlq_partition", b"%d" % partition),
        ("dlq_offset", b"%d" % offset),
        ("dlq_at", format_instant(at).encode()),
    ]


def format_shortly(at: int) -> str:
    """Write *at* without a fraction when it is a whole second."""
    return format_instant(at) if at % SECOND else format_second(at)


def _cloud_event(id: bytes, kind: Sequence[Header], at: int) -> list[Header]:
    return [("ce_id", id), *kind, ("ce_time", format_instant(at).encode()), _JSON]


class _Findings(dict[Finding, msgspec.Raw]):
    """Findings as they are written: most are said of thousands of candidates in the same words.

    To look one up costs a third of writing it, and every decision has a dozen.
    """

    def __missing__(self, finding: Finding) -> msgspec.Raw:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        eligible_at = finding.eligible_at
        found = WrittenFinding(
            finding.rule,
            finding.id,
            finding.variant,
            OUTCOME_NAMES[finding.outcome],
            finding.enforced,
            finding.code,
            finding.limit,
            finding.observed,
            finding.window,
            None if eligible_at is None else format_second(eligible_at),
        )
        written = self[finding] = msgspec.Raw(_encode(found))
        return written


_FINDINGS = _Findings()


def _score(score: Score) -> _Score:
    return _Score(
        round(score.exposure, 4),
        round(score.pressure, 4),
        round(score.after, 4),
        round(score.ceiling, 4),
    )


def _whole_entry(resolution: Resolution) -> _WholeEntry:
    entry = resolution.entry
    return _WholeEntry(
        *(() if entry is None else _kept(entry)),
        variant_index=resolution.verdict.variant,
        attempt=resolution.attempt,
        seq=resolution.seq,
        digest=f"{resolution.incoming.digest:016x}",
        content_digest=_content(entry),
    )


def _kept(entry: Entry) -> tuple[str | None, bool, Sequence[str], str | None, float]:
    ends = entry.offer_ends_at
    ends_at = None if ends is None else format_shortly(ends)
    return entry.household, entry.counts, entry.techniques, ends_at, entry.exposure


def _content(entry: Entry | None) -> str | None:
    return f"{entry.content:08x}" if entry is not None and entry.content else None

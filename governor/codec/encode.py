"""What goes out on the topics: decisions, released messages, and their headers."""

from typing import Any

import msgspec

from governor.codec.unwrap import Headers
from governor.core.instant import SECOND, format_instant, format_second
from governor.core.model import Variant
from governor.core.resolution import Handover, Resolution
from governor.core.standing import Entry
from governor.core.verdict import OUTCOME_NAMES, Finding, Score

_encode = msgspec.json.Encoder().encode
_JUDGED = ("uses", "techniques", "ai_generated")
_OF_THE_VARIANT = ("channel", "content", *_JUDGED)
_STAYS_BEHIND = frozenset(Variant.__struct_fields__) - set(_OF_THE_VARIANT)


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


RELEASED_TYPE, DECIDED_TYPE = b"outreach.released.v1", b"outreach.decided.v1"
HANDED_OVER_TYPE = b"outreach.handed-over.v1"


def encode_decision(resolution: Resolution, policy_revision: str, *, person: str) -> bytes:
    """Write the decision as published; *person* is what stands for the person in it."""
    verdict, candidate = resolution.verdict, resolution.incoming.candidate
    variant = candidate.variants[verdict.variant]
    decision: dict[str, Any] = {
        "id": resolution.decision_id,
        "message": candidate.id,
        "person": person,
        "campaign": candidate.campaign,
        "category": candidate.category,
        "topic": candidate.topic,
        "outcome": OUTCOME_NAMES[verdict.outcome],
        "final": verdict.final,
        "variant": variant.id,
        "channel": variant.channel,
        "code": verdict.code,
        "eligible_at": None if verdict.eligible_at is None else format_second(verdict.eligible_at),
        "attempt": resolution.attempt,
        "seq": resolution.seq,
        "decided_at": format_instant(resolution.decided_at),
        "policy": policy_revision,
        "mode": "enforce",
        "findings": [_finding(finding) for finding in verdict.findings],
        "intrusiveness": None if verdict.score is None else _score(verdict.score),
        "entry": None if resolution.entry is None else _entry(resolution.entry),
        "variant_index": verdict.variant,
        "digest": f"{resolution.incoming.digest:016x}",
        "content_digest": _content(resolution.entry),
    }
    if resolution.reconstructed:
        decision["reconstructed"] = True
    return _encode(decision)


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


def released_headers(resolution: Resolution) -> list[tuple[str, bytes]]:
    """Make the headers of a released record: CloudEvents, what to deduplicate by, the trace.

    `governor_entry` is what a rebuild of the ledger needs besides.
    """
    return [
        *_event_headers(resolution, RELEASED_TYPE, b"governor/released"),
        ("governor_decision_id", resolution.decision_id.encode()),
        ("idempotency_key", resolution.incoming.candidate.id.encode()),
        ("governor_entry", _encode(_whole_entry(resolution))),
        *resolution.incoming.trace,
    ]


def decision_headers(resolution: Resolution) -> list[tuple[str, bytes]]:
    """Make the headers of a decision's record: CloudEvents and the trace."""
    return [
        *_event_headers(resolution, DECIDED_TYPE, b"governor/decisions"),
        *resolution.incoming.trace,
    ]


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


def handover_headers(handover: Handover) -> list[tuple[str, bytes]]:
    """Make the headers of a hand-over's record, the same whenever it is told again."""
    return _cloud_event(handover.id, HANDED_OVER_TYPE, b"governor/handovers", handover.since)


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


def _event_headers(resolution: Resolution, kind: bytes, source: bytes) -> list[tuple[str, bytes]]:
    return _cloud_event(resolution.decision_id, kind, source, resolution.decided_at)


def _cloud_event(id: str, kind: bytes, source: bytes, at: int) -> list[tuple[str, bytes]]:
    return [
        ("ce_id", id.encode()),
        ("ce_source", source),
        ("ce_type", kind),
        ("ce_specversion", b"1.0"),
        ("ce_time", format_instant(at).encode()),
        ("content-type", b"application/json"),
    ]


def _finding(finding: Finding) -> WrittenFinding:
    eligible_at = finding.eligible_at
    return WrittenFinding(
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


def _score(score: Score) -> dict[str, float]:
    return {
        "exposure": round(score.exposure, 4),
        "pressure": round(score.pressure, 4),
        "after": round(score.after, 4),
        "ceiling": round(score.ceiling, 4),
    }


def _whole_entry(resolution: Resolution) -> dict[str, Any]:
    """Write all that the ledger keeps of a release and the released record itself does not tell."""
    entry = {} if resolution.entry is None else _entry(resolution.entry)
    return entry | {
        "variant_index": resolution.verdict.variant,
        "attempt": resolution.attempt,
        "seq": resolution.seq,
        "digest": f"{resolution.incoming.digest:016x}",
        "content_digest": _content(resolution.entry),
    }


def _content(entry: Entry | None) -> str | None:
    return f"{entry.content:08x}" if entry is not None and entry.content else None


def _entry(entry: Entry) -> dict[str, Any]:
    ends = entry.offer_ends_at
    return {
        "household": entry.household,
        "counts": entry.counts,
        "techniques": entry.techniques,
        "offer_ends_at": None if ends is None else format_shortly(ends),
        "exposure": entry.exposure,
    }

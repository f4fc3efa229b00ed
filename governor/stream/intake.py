"""Records into what the gate judges: candidates, facts and controls, or a dead letter."""

from collections.abc import Iterable

import msgspec

from governor.codec.decode import (
    Names,
    Rejected,
    decode_candidate,
    decode_control,
    decode_fact,
)
from governor.config import topics
from governor.core import model
from governor.core.incoming import Incoming, Told
from governor.stream.fetch import Lane, Record

LANES = {
    topics.CONTROL: Lane.FIRST,
    **dict.fromkeys(topics.FACTS, Lane.FIRST),
    topics.URGENT: Lane.URGENT,
    topics.CANDIDATES: Lane.CANDIDATES,
}
"""Every topic that is read: what can only restrict comes before what could be released."""


class Letter(msgspec.Struct, frozen=True):
    """A record for the dead letters, as it came, and why."""

    record: Record
    reason: str
    detail: str


class Intake(msgspec.Struct):
    """What the records of one moment are."""

    told: list[Told] = msgspec.field(default_factory=list)
    fresh: list[Incoming] = msgspec.field(default_factory=list)
    controls: list[model.Control] = msgspec.field(default_factory=list)
    letters: list[Letter] = msgspec.field(default_factory=list)
    sources: dict[int, Record] = msgspec.field(default_factory=dict)


class Reader:
    """Reads records of the topics with *prefix*; a value over *max_bytes* is a dead letter."""

    def __init__(self, prefix: str, max_bytes: int, digest_key: bytes) -> None:
        self._digest_key = digest_key
        self._prefix = prefix
        self._max_bytes = max_bytes

    def read(self, records: Iterable[Record], policy: Names) -> Intake:
        """Sort *records* into what they are; the order of each kind is kept."""
        intake = Intake()
        for record in records:
            try:
                self._read(record, policy, intake)
            except Rejected as rejected:
                intake.letters.append(Letter(record, rejected.reason, rejected.detail))
        return intake

    def _read(self, record: Record, policy: Names, intake: Intake) -> None:
        name = record.topic.removeprefix(self._prefix)
        at, most = record.timestamp, self._max_bytes
        kind = topics.FACTS.get(name)
        if kind is not None:
            told = decode_fact(kind, record.value, record.headers, record.key, at, most)
            intake.told.append(told)
        elif name == topics.CONTROL:
            intake.controls.append(decode_control(record.value, record.headers, at, most))
        else:
            incoming = decode_candidate(
                record.value,
                record.headers,
                record.key,
                at,
                policy,
                most,
                self._digest_key,
            )
            if name == topics.URGENT:
                incoming = msgspec.structs.replace(incoming, urgent=True)
            intake.fresh.append(incoming)
            intake.sources[id(incoming)] = record

"""A worker without its servers: records in, records out, on a ledger that packs as Redis does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from governor.config import load_policy, topics
from governor.core.instant import parse_instant
from governor.core.policy import Policy
from governor.core.standing import ControlState
from governor.ledger import packing
from governor.ledger.keys import Pseudonyms, Sealer
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Change
from governor.metrics import Metrics
from governor.service import Arrivals, Governor, Judgement
from governor.stream.intake import LANES, Intake, Letter, Reader
from governor.stream.outgoing import Writer
from governor.stream.producer import Outgoing

ROOT = Path(__file__).parents[2]
NOW = parse_instant("2026-05-05T10:00:00Z")
KEY = bytes(range(32))


class Record(NamedTuple):
    """A record as the Kafka client hands it over."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int = NOW
    partition: int = 0
    offset: int = 0


class PackedLedger(MemoryLedger):
    """A ledger in memory that keeps what comes back from the bytes that Redis would keep."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[str, bytes] = {}

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        """Write changes through their bytes."""
        packed = [packing.pack(change.standing) for change in changes]
        kept = [
            Change(change.key, change.expected, packing.unpack(record))
            for change, record in zip(changes, packed, strict=True)
        ]
        assert [one.standing for one in kept] == [one.standing for one in changes]
        for change, record in zip(changes, packed, strict=True):
            self.bytes[change.key] = record
        return await super().commit(kept)

    async def commit_control(self, expected: int, state: ControlState) -> bool:
        """Write the control through its bytes."""
        self.bytes["control"] = packing.pack_control(state)
        return await super().commit_control(expected, packing.unpack_control(self.bytes["control"]))


class Came(NamedTuple):
    """What came of some records."""

    intake: Intake
    judgement: Judgement
    records: list[Outgoing]

    def to(self, topic: str) -> list[Outgoing]:
        """The records for one topic."""
        return [one for one in self.records if one.topic == topic]

    def letter(self) -> Letter:
        """The one dead letter."""
        [found] = self.intake.letters
        return found


class Desk:
    """Reads, judges, counts and writes as a worker does."""

    def __init__(self, policy: Policy | None = None, metrics: Metrics | None = None) -> None:
        self.policy = policy or load_policy(ROOT / "config" / "policy.yaml")
        self.ledger = PackedLedger()
        self.names = Pseudonyms(KEY)
        self.metrics = metrics or Metrics()
        if metrics is None:
            self.metrics.prepare(self.policy, LANES)
        self.sealer = Sealer({"k": KEY}, "k")
        self._governor = Governor(self.policy, self.ledger, self.names, self.sealer)
        self._reader = Reader("", 1 << 20, self.names.digest_key)
        self._writer = Writer("", self.sealer)

    def take(self, *records: Record, now: int = NOW) -> Came:
        """Take records to their end, facts before candidates."""
        return asyncio.run(self._take(records, now))

    async def _take(self, records: Sequence[Record], now: int) -> Came:
        intake = self._reader.read(records, self.policy)
        self.metrics.count_candidates(one.candidate for one in intake.fresh)
        self.metrics.count_told(intake.told)
        self.metrics.count_controls(intake.controls)
        arrivals = Arrivals(intake.told, intake.fresh, intake.controls)
        judgement = await self._governor.judge(arrivals, now)
        for incoming, reason in judgement.rejected:
            intake.letters.append(Letter(intake.sources[id(incoming)], reason, "id: is known"))
        written = self._writer.resolutions(judgement.resolutions)
        written += self._writer.letters(intake.letters, now)
        await self._governor.published(judgement.resolutions)
        self.metrics.count_resolutions(judgement.resolutions, now)
        self.metrics.count_notes(judgement.notes)
        for letter in intake.letters:
            self.metrics.count_dead_letter(letter.record.topic, letter.reason)
        return Came(intake, judgement, written)


def record(topic: str, value: Any, **more: Any) -> Record:
    """Write *value* as JSON for a topic."""
    return Record(topic, msgspec.json.encode(value), **more)


def grant(person: str, **more: Any) -> Record:
    """A consent to marketing."""
    about = {"id": "c-1", "person": person, "at": "2026-05-05T09:00:00Z", "action": "grant"}
    about |= {"purpose": "marketing", "basis": "consent"}
    return record(topics.CONSENTS, about | more)


def candidate(person: str, message: str = "m-1", **more: Any) -> dict[str, Any]:
    """A promotional e-mail, which the shipped policy releases to whoever consented."""
    about = {"id": message, "person": person, "campaign": "spring", "category": "promotional"}
    about |= {"created_at": "2026-05-05T10:00:00Z"}
    return about | ({} if "variants" in more else {"channel": "email"}) | more

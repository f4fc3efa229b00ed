"""Makes the ledger whole again from the topics: all of it, or what was lost at its end.

Everything here may be told twice: a standing that already knows a thing does not change. So a
rebuild may run over a ledger that holds a part, be broken off and begun again, and run beside
workers, which hold meanwhile.
"""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from governor.broker import TopicLogs, reading
from governor.codec.decode import FactKind, Rejected, decode_control, decode_fact, parse
from governor.codec.waiting import decode_waiting, encode_body
from governor.config import topics
from governor.config.settings import Settings
from governor.core import facts, model
from governor.core.facts import apply_control
from governor.core.incoming import Told
from governor.core.instant import parse_instant
from governor.core.policy import Policy
from governor.core.record import is_final
from governor.core.restore import (
    entry_of,
    suppression_of,
    with_final,
    with_waiting,
    without_waiting,
)
from governor.core.standing import Entry, Judged, Standing, Waiting, name64
from governor.ledger.keys import Pseudonyms, SealedError, Sealer, looks_like_pseudonym
from governor.ledger.protocol import Change, Ledger, LedgerUnavailable

log = logging.getLogger(__name__)

Fold = Callable[[Standing], Standing]
Step = tuple[str, Fold]

_AT_ONCE = 500
_TRIES = 50
_WITHIN = 24 * 3600.0
_FACTS: dict[str, FactKind] = {
    topics.CONSENTS: "consent",
    topics.PROFILES: "profile",
    topics.FEEDBACK: "feedback",
    topics.CANCELLATIONS: "cancellation",
    topics.REVIEWS: "review",
}


class Source(msgspec.Struct, frozen=True):
    """From where to read: outputs since a moment (ms), inputs from the offsets applied by then.

    None and nothing mean from the beginning.
    """

    since: int | None = None
    offsets: Mapping[str, Mapping[int, int]] = {}


class Progress(msgspec.Struct):
    """How far a rebuild has come."""

    topic: str = ""
    records: int = 0
    odd: int = 0


class Rebuild:
    """Reads the topics into *ledger*; *told* hears of the progress."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        ledger: Ledger,
        names: Pseudonyms,
        sealer: Sealer,
        told: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._ledger = ledger
        self._names = names
        self._sealer = sealer
        self._told = told
        self._logs: TopicLogs
        self.progress = Progress()

    async def run(self, source: Source) -> Progress:
        """Apply everything from *source* on.

        What was decided comes before the feedback on it, and what waits after what became of it.
        Raises LedgerUnavailable and BrokerUnavailable.
        """
        self.progress = Progress()
        names = [self._settings.topic_prefix + topic.name for topic in topics.TOPICS]
        async with reading(self._settings, names, _WITHIN) as self._logs:
            await self._apply(self._facts(topics.CONSENTS, source))
            await self._apply(self._facts(topics.PROFILES, source))
            await self._apply(self._decisions(source))
            await self._apply(self._released(source))
            await self._apply(self._waiting(source))
            for name in (topics.FEEDBACK, topics.CANCELLATIONS, topics.REVIEWS):
                await self._apply(self._facts(name, source))
            await self._controls(source)
        return self.progress

    async def _apply(self, steps: AsyncIterator[Step]) -> None:
        batch: dict[str, list[Fold]] = defaultdict(list)
        count = 0
        async for key, fold in steps:
            batch[key].append(fold)
            count += 1
            if count == _AT_ONCE:
                await self._write(batch)
                batch.clear()
                count = 0
        await self._write(batch)

    async def _write(self, batch: Mapping[str, list[Fold]]) -> None:
        keys = list(batch)
        for _ in range(_TRIES):
            if not keys:
                break
            _control, standings = await self._ledger.load(keys)
            changes = []
            for key, standing in zip(keys, standings, strict=True):
                after = standing
                for fold in batch[key]:
                    after = fold(after)
                if after is not standing:
                    changes.append(Change(key, standing.version, after))
            written = await self._ledger.commit(changes)
            keys = [change.key for change, won in zip(changes, written, strict=True) if not won]
        if keys:
            raise LedgerUnavailable("a standing changes faster than it can be restored")
        self._told(self.progress)

    async def _read(
        self, name: str, *, since: int | None = None, offsets: Mapping[int, int] | None = None
    ) -> AsyncIterator[Any]:
        topic = self._settings.topic_prefix + name
        self.progress.topic = topic
        async with aclosing(self._logs.records(topic, since=since, offsets=offsets)) as every:
            async for record in every:
                self.progress.records += 1
                yield record

    async def _facts(self, name: str, source: Source) -> AsyncIterator[Step]:
        kind = _FACTS[name]
        async for record in self._read(name, offsets=source.offsets.get(name)):
            try:
                told = decode_fact(
                    kind,
                    record.value,
                    record.headers,
                    record.key,
                    record.timestamp,
                    self._settings.max_bytes,
                )
            except Rejected:
                continue
            fact = told.fact
            if isinstance(fact, model.Cancellation) and fact.message is None:
                # It stopped what waited then, and each of those has its final decision.
                continue
            person = fact.person
            own = isinstance(fact, model.ReviewAnswer) and looks_like_pseudonym(person)
            key = person if own else self._names.of(person)
            yield key, self._fact(told)

    def _fact(self, told: Told) -> Fold:
        def fold(standing: Standing) -> Standing:
            fact = told.fact
            if isinstance(fact, model.ReviewAnswer) and is_final(standing, name64(fact.message)):
                return standing
            return facts.apply(self._policy, standing, told, self._names.of).standing

        return fold

    async def _decisions(self, source: Source) -> AsyncIterator[Step]:
        async for record in self._read(topics.DECISIONS, since=source.since):
            try:
                told = parse(record.value)
                if not told["final"]:
                    continue
                at = parse_instant(told["decided_at"])
                final = (
                    suppression_of(told)
                    if told["entry"] is None
                    else entry_of(told, told["entry"], at)
                )
                key = str(told["person"])
            except (Rejected, KeyError, TypeError, ValueError) as error:
                self._odd(record, error)
                continue
            yield key, _final(final)

    async def _released(self, source: Source) -> AsyncIterator[Step]:
        async for record in self._read(topics.RELEASED, since=source.since):
            headers = dict(record.headers)
            try:
                raw = parse(record.value)
                entry = parse(headers["governor_entry"])
                at = parse_instant(headers["ce_time"].decode())
                final = entry_of({**raw, **entry, "message": raw["id"]}, entry, at)
                key = self._names.of(raw["person"])
            except (Rejected, KeyError, TypeError, ValueError) as error:
                self._odd(record, error)
                continue
            yield key, _final(final)

    async def _waiting(self, source: Source) -> AsyncIterator[Step]:
        last: dict[bytes, Any] = {}
        async for record in self._read(topics.WAITING, since=source.since):
            if record.key is not None:
                last[record.key] = record
        for place, record in last.items():
            key, _, message = place.decode().partition("|")
            if record.value is None:
                yield key, _gone(name64(message))
                continue
            try:
                waiting, incoming = decode_waiting(self._sealer.open(record.value, place))
            except (SealedError, ValueError) as error:
                self._odd(record, error)
                continue
            body = self._sealer.seal(encode_body(incoming), key.encode())
            whole = msgspec.structs.replace(waiting, body=body)
            yield key, _waits(whole)

    async def _controls(self, source: Source) -> None:
        controls = []
        offsets = source.offsets.get(topics.CONTROL)
        async for record in self._read(topics.CONTROL, offsets=offsets):
            try:
                controls.append(decode_control(record.value, record.headers, record.timestamp))
            except Rejected:
                continue
        for _ in range(_TRIES):
            state, _standings = await self._ledger.load([])
            after = state
            for control in controls:
                after = apply_control(after, control)
            if after == state or await self._ledger.commit_control(state.version, after):
                return
        raise LedgerUnavailable("the control state changes faster than it can be restored")

    def _odd(self, record: Any, error: Exception) -> None:
        self.progress.odd += 1
        log.warning(
            "%s/%d at %d cannot be restored: %s",
            record.topic,
            record.partition,
            record.offset,
            type(error).__name__,
        )


def _final(final: Entry | Judged) -> Fold:
    return lambda standing: with_final(standing, final)


def _waits(waiting: Waiting) -> Fold:
    return lambda standing: with_waiting(standing, waiting)


def _gone(message: int) -> Fold:
    return lambda standing: without_waiting(standing, message)

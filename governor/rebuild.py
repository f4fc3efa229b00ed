"""Makes the ledger whole again from the topics: all of it, or what was lost at its end.

Everything here may be told twice: a standing that already knows a thing does not change. So a
rebuild may run over a ledger that holds a part, be broken off and begun again, and run beside
workers, which hold meanwhile.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from functools import partial, reduce
from typing import Any

import msgspec

from governor.broker import TopicLogs, reading
from governor.codec.decode import Rejected, decode_control, decode_fact, parse
from governor.codec.waiting import decode_waiting, encode_body
from governor.config import topics
from governor.config.settings import Settings
from governor.core import model
from governor.core.facts import apply_control
from governor.core.incoming import Told
from governor.core.instant import SECOND, parse_instant
from governor.core.policy import Policy
from governor.core.record import forget
from governor.core.restore import (
    entry_of,
    final_of,
    handed_of,
    with_fact,
    with_final,
    with_handed,
    with_waiting,
    without_waiting,
    woken,
)
from governor.core.standing import Standing, name64
from governor.households import tell_again
from governor.ledger.keys import Pseudonyms, Sealer
from governor.ledger.protocol import Change, Ledger, LedgerUnavailable

log = logging.getLogger(__name__)

Fold = Callable[[Standing], Standing]
Step = tuple[str, Fold]

_UNREADABLE = (Rejected, KeyError, TypeError, ValueError, AttributeError)
_AT_ONCE = 1_000
_TRIES = 50
_WITHIN = 24 * 3600.0
UNDER_WAY = 5.0
"""Seconds for which what was committed before the loss may still be on its way to the topics."""

CLOCKS_DIFFER = 5 * SECOND


class Source(msgspec.Struct, frozen=True):
    """From where to read: outputs since a moment (ms), inputs from the offsets applied by then.

    None and nothing mean from the beginning. `now` (ms) is the moment of the restoration: what
    was retained for long enough by then is left out, and what waits is looked at. None, where
    time is that of the records: neither.
    """

    since: int | None = None
    offsets: Mapping[str, Mapping[int, int]] = {}
    now: int | None = None


class Progress(msgspec.Struct):
    """How far a rebuild has come; `latest` is the last moment (ms) that was told of."""

    topic: str = ""
    records: int = 0
    odd: int = 0
    latest: int = 0


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
        self._topics = [settings.topic_prefix + topic.name for topic in topics.TOPICS]
        self._logs: TopicLogs
        self._now: int | None = None
        self._sharing: set[str] = set()
        self.progress = Progress()

    async def check(self) -> None:
        """Raise BrokerUnavailable where the topics cannot be read."""
        async with reading(self._settings, self._topics):
            pass

    async def run(self, source: Source, *, under_way: float = UNDER_WAY) -> Progress:
        """Apply everything from *source* on, what arrives within *under_way* seconds included.

        What was decided comes before the feedback on it, and what waits after what became of it.
        Raises LedgerUnavailable and BrokerUnavailable.
        """
        self.progress = Progress()
        self._now = source.now
        async with reading(self._settings, self._topics, _WITHIN) as self._logs:
            arrived = asyncio.create_task(asyncio.sleep(under_way))
            try:
                await self._apply(self._facts(topics.CONSENTS, source))
                await self._apply(self._facts(topics.PROFILES, source))
                await arrived
            finally:
                arrived.cancel()
            await self._apply(self._outputs(topics.DECISIONS, source, self._decided))
            await self._apply(self._outputs(topics.RELEASED, source, self._released))
            await self._apply(self._outputs(topics.HANDOVERS, source, self._handed))
            await self._apply(self._waiting(source))
            for name in (topics.FEEDBACK, topics.CANCELLATIONS, topics.REVIEWS):
                await self._apply(self._facts(name, source))
            await tell_again(self._ledger, self._policy, self._sharing, self._now)
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
                after = reduce(lambda known, fold: fold(known), batch[key], standing)
                self._sharing.update(key for entry in after.log if entry.household is not None)
                if after is not standing:
                    changes.append(Change(key, standing.version, self._as_of_now(after)))
            written = await self._ledger.commit(changes)
            keys = [change.key for change, won in zip(changes, written, strict=True) if not won]
        if keys:
            raise LedgerUnavailable("a standing changes faster than it can be restored")
        self._told(self.progress)

    def _as_of_now(self, standing: Standing) -> Standing:
        """Return *standing* as a turn would leave it, with all that waits to be judged again.

        What has woken it since it was decided may be lost.
        """
        now = self._now
        return standing if now is None else self._woken(forget(self._policy, standing, now))

    def _woken(self, standing: Standing) -> Standing:
        return standing if self._now is None else woken(standing, self._now)

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
        kind, most = topics.FACTS[name], self._settings.max_bytes
        async for record in self._read(name, offsets=source.offsets.get(name)):
            value, headers, at = record.value, record.headers, record.timestamp
            try:
                told = decode_fact(kind, value, headers, record.key, at, most)
            except Rejected:
                continue
            self.progress.latest = max(self.progress.latest, told.record_at)
            yield self._names.of_fact(told.fact), self._fact(told)

    def _fact(self, told: Told) -> Fold:
        skew = 0 if self._now is None else CLOCKS_DIFFER
        policy, alias = self._policy, self._names.of
        return lambda standing: with_fact(standing, told, policy, alias, skew=skew)

    async def _outputs(
        self, name: str, source: Source, read: Callable[[Any], Step | None]
    ) -> AsyncIterator[Step]:
        async for record in self._read(name, since=source.since):
            try:
                step = read(record)
            except _UNREADABLE as error:
                self._odd(record, error)
            else:
                if step is not None:
                    yield step

    def _decided(self, record: Any) -> Step | None:
        told = parse(record.value)
        if not told["final"]:
            return None
        final = final_of(told)
        self.progress.latest = max(self.progress.latest, final.at)
        return str(told["person"]), partial(with_final, final=final)

    def _released(self, record: Any) -> Step:
        headers, raw = dict(record.headers), parse(record.value)
        entry = parse(headers["governor_entry"])
        at = parse_instant(headers["ce_time"].decode())
        final = entry_of({**raw, **entry, "message": raw["id"]}, entry, at)
        return self._names.of(raw["person"]), partial(with_final, final=final)

    def _handed(self, record: Any) -> Step:
        told = parse(record.value)
        return self._names.of(told["person"]), partial(with_handed, handed=handed_of(told))

    async def _waiting(self, source: Source) -> AsyncIterator[Step]:
        last: dict[bytes, Any] = {}
        partition = 0
        async for record in self._read(topics.WAITING, since=source.since):
            if record.partition != partition:
                # What waits stays in one partition, so this one is told to its end.
                for step in self._last(last):
                    yield step
                last, partition = {}, record.partition
            if record.key is not None:
                last[record.key] = record
        for step in self._last(last):
            yield step

    def _last(self, records: Mapping[bytes, Any]) -> Iterator[Step]:
        for place, record in records.items():
            key, _, message = place.decode(errors="replace").partition("|")
            if record.value is None:
                yield key, partial(without_waiting, message=name64(message))
                continue
            try:
                waiting, incoming = decode_waiting(self._sealer.open(record.value, place))
            except _UNREADABLE as error:
                self._odd(record, error)
                continue
            body = self._sealer.seal(encode_body(incoming), key.encode())
            yield key, partial(with_waiting, waiting=msgspec.structs.replace(waiting, body=body))

    async def _controls(self, source: Source) -> None:
        for _ in range(_TRIES):
            # Before the topic is read: what somebody else writes meanwhile is not overwritten.
            state, _standings = await self._ledger.load([])
            after = state
            async for control in self._control_records(source):
                after = apply_control(after, control)
            if msgspec.structs.replace(after, version=state.version) == state:
                return
            if await self._ledger.commit_control(state.version, after):
                async for keys in self._ledger.waiting():
                    await self._write({key: [self._woken] for key in keys})
                return
        raise LedgerUnavailable("the control state changes faster than it can be restored")

    async def _control_records(self, source: Source) -> AsyncIterator[model.Control]:
        offsets, most = source.offsets.get(topics.CONTROL), self._settings.max_bytes
        async for record in self._read(topics.CONTROL, offsets=offsets):
            try:
                yield decode_control(record.value, record.headers, record.timestamp, most)
            except Rejected:
                continue

    def _odd(self, record: Any, error: Exception) -> None:
        self.progress.odd += 1
        where = (record.topic, record.partition, record.offset)
        log.warning("%s/%d at %d cannot be restored: %s", *where, type(error).__name__)

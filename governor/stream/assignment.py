"""What this worker owns: per partition what was fetched, applied and committed, and how fresh."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from governor.stream.fetch import Fetch, Partition, Record, Span, spans_of

log = logging.getLogger(__name__)


class Changes:
    """Wakes whoever waits for anything to change; who waits looks for themselves what did."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Wake all that wait now."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, within: float) -> None:
        """Wait for a change, *within* seconds at the most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()


class Seen(NamedTuple):
    """What the client knew of a partition at the moment a fetch returned."""

    position: int | None
    highwater: int | None
    stamp: int | None
    """When the broker last answered for it, in the client's own count; only changes matter."""


@dataclass(slots=True)
class Progress:
    """How far one partition has come; every number is the offset of the next record."""

    committed: int | None
    fetched: int | None
    applied_to: int | None
    since: float
    spans: deque[Span] = field(default_factory=deque)
    position: int | None = None
    highwater: int | None = None
    stamp: int | None = None
    answered_at: float = 0.0
    marks: deque[tuple[int, float]] = field(default_factory=deque)
    """Offsets that were the end when the broker said so, and when that was; not applied yet."""
    caught_up_at: float | None = None
    """When it was last known that all there was is applied by now, by `time.monotonic`."""

    @property
    def idle(self) -> bool:
        """Whether everything that was fetched is applied."""
        return self.fetched == self.applied_to

    @property
    def applied(self) -> int:
        """The offset up to which everything is applied, gaps without records included."""
        known = self.applied_to or 0
        return max(known, self.position or 0) if self.idle else known

    @property
    def lag(self) -> int:
        """How many offsets are not applied yet, as far as the broker told."""
        return max(0, (self.highwater or 0) - self.applied)

    def answered(self, seen: Seen, now: float) -> None:
        """Note what the broker said; its answer is no older than the one before was noted."""
        self.highwater = seen.highwater
        if seen.stamp != self.stamp:
            self.stamp = seen.stamp
            self.answered_at = self.since
        self.since = now

    def mark(self) -> None:
        """Remember that what was fetched is all there was, if it is."""
        if self.position is None or self.highwater is None or self.stamp is None:
            return
        if self.position >= self.highwater:
            end = self.fetched or 0
            if self.marks and self.marks[-1][0] == end:
                self.marks.pop()
            self.marks.append((end, self.answered_at))

    def note_freshness(self) -> None:
        """Count the marks that are reached; a steady flow never stands still, but reaches them."""
        while self.marks and self.marks[0][0] <= (self.applied_to or 0):
            self.caught_up_at = self.marks.popleft()[1]


class Assignment:
    """The partitions between one rebalance and the next; not safe across threads."""

    def __init__(self) -> None:
        self._of: dict[Partition, Progress] = {}
        self._in_flight: list[Fetch] = []
        self.known = False
        """Whether this is all that is owned; not so while partitions are handed out anew."""

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._of)

    def __getitem__(self, partition: Partition) -> Progress:
        return self._of[partition]

    def __len__(self) -> int:
        return len(self._of)

    def begin(self, committed: Mapping[Partition, int | None], now: float) -> None:
        """Own these partitions from their committed offsets on; None is the beginning."""
        self.clear()
        self._of = {
            partition: Progress(offset, offset, offset, now)
            for partition, offset in committed.items()
        }
        self.known = True

    def clear(self, *, known: bool = False) -> None:
        """Own nothing, as far as is *known*; what is in flight no longer counts."""
        self.rewind()
        self._of = {}
        self.known = known

    def rewind(self) -> None:
        """Forget what was fetched and not applied; it has to be fetched again."""
        for fetch in self._in_flight:
            fetch.alive = False
        self._in_flight.clear()
        for progress in self._of.values():
            progress.spans.clear()
            progress.marks.clear()
            progress.fetched = progress.applied_to
            progress.position = None

    def begin_again(
        self, batches: Mapping[Partition, Sequence[Record]], seen: Mapping[Partition, Seen]
    ) -> list[Partition]:
        """Own partitions from their beginning whose client was sent back to before what it read.

        Nothing else does that but a log that ends before: it was cut off, or deleted and made
        anew. What was read of the old one says nothing of it.
        """
        anew = []
        for partition, state in seen.items():
            found = batches.get(partition)
            reads_from = found[0].offset if found else state.position
            fetched = (self._of[partition].fetched or 0) if partition in self._of else 0
            if reads_from is not None and reads_from < fetched:
                anew.append(partition)
        if anew:
            log.warning("these logs end before what was read of them, they are read anew: %s", anew)
            self.rewind()
            self._of |= {one: Progress(None, None, None, self._of[one].since) for one in anew}
        return anew

    def drop_unstarted(self) -> None:
        """Declare dead what nobody works on yet."""
        for fetch in self._in_flight:
            fetch.alive = fetch.started
        self._in_flight = [fetch for fetch in self._in_flight if fetch.alive]

    def admit(
        self,
        batches: Mapping[Partition, Sequence[Record]],
        seen: Mapping[Partition, Seen],
        now: float,
    ) -> dict[Partition, Sequence[Record]]:
        """Take in what a fetch returned, without the records that were taken in before.

        `seen` holds the partitions that the fetch asked for.
        """
        for partition, state in seen.items():
            progress = self._of.get(partition)
            if progress is not None:
                progress.answered(state, now)
                progress.position = state.position
        admitted = {}
        for partition, records in batches.items():
            fresh = self._cut(partition, records)
            if fresh:
                admitted[partition] = fresh
                self._of[partition].fetched = fresh[-1].offset + 1
        for partition in seen:
            if partition in self._of:
                self._of[partition].mark()
                self._of[partition].note_freshness()
        return admitted

    def heard(self, seen: Mapping[Partition, Seen], now: float) -> None:
        """Note how far other partitions reach; what was taken from them is not known here."""
        for partition, state in seen.items():
            if partition in self._of:
                self._of[partition].answered(state, now)

    def _cut(self, partition: Partition, records: Sequence[Record]) -> Sequence[Record]:
        progress = self._of.get(partition)
        if progress is None or not records:
            return ()
        if progress.fetched is None:
            progress.applied_to = progress.committed = progress.fetched = records[0].offset
        wanted, first = progress.fetched, records[0].offset
        if first > wanted:
            log.info("offsets %d to %d of %s hold no record", wanted, first - 1, partition)
        if first < wanted:
            records = [record for record in records if record.offset >= wanted]
        return records

    def hand_out(self, channel: str, records: Sequence[Record]) -> Fetch:
        """Make one item of work of admitted records; a partition's records are in order."""
        spans = spans_of(records)
        for span in spans:
            self._of[span.partition].spans.append(span)
        fetch = Fetch(channel, records, spans)
        self._in_flight.append(fetch)
        return fetch

    def acknowledge(self, fetch: Fetch) -> bool:
        """Count a fetch as applied; False when its work no longer counts.

        INVARIANT (nothing-lost): a partition's applied prefix grows only without a hole, so a
        later fetch never carries an earlier one that is still being worked on.
        """
        if not fetch.alive or fetch not in self._in_flight:
            return False
        self._in_flight.remove(fetch)
        for span in fetch.spans:
            span.applied = True
            progress = self._of[span.partition]
            while progress.spans and progress.spans[0].applied:
                progress.applied_to = progress.spans.popleft().end
            progress.note_freshness()
        return True

    def abandon(self, fetch: Fetch) -> None:
        """Stop waiting for a fetch whose work failed; it holds back all after it."""
        fetch.alive = False
        if fetch in self._in_flight:
            self._in_flight.remove(fetch)

    def in_flight(self, channel: str | None = None) -> int:
        """Count what was handed out and is not acknowledged."""
        return sum(channel in (None, fetch.channel) for fetch in self._in_flight)

    def steps(self) -> int:
        """Count what was done of the fetches that are not acknowledged."""
        return sum(fetch.steps for fetch in self._in_flight)

    def being_worked_on(self) -> bool:
        """Tell whether any fetch has begun and not ended."""
        return any(fetch.started for fetch in self._in_flight)

    def committable(self) -> dict[Partition, int]:
        """Return the applied prefixes that are not committed yet, gaps without records included.

        So the other workers see a log that ends in transaction markers, or of which retention has
        left nothing, as read to its end.
        """
        return {
            partition: progress.applied
            for partition, progress in self._of.items()
            if progress.applied != (progress.committed or 0)
        }

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note what the broker has written down."""
        for partition, offset in offsets.items():
            if partition in self._of:
                self._of[partition].committed = offset

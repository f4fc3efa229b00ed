"""In which order fetched records are handed out: by lane, or by the records' own clock."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from governor.stream.assignment import Assignment
from governor.stream.fetch import Lane, Partition, Record, by_lane


class Desk(Protocol):
    """What an order may ask of the consumer that it serves."""

    @property
    def assigned(self) -> Assignment:
        """The partitions of this worker and how far they have come."""

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until *reached*, or until a rebalance or the end makes it pointless."""

    async def ends(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """Ask the broker where partitions end now."""


class Order(Protocol):
    """A way of handing out; each of its channels is fetched and worked on by itself."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels."""

    def wanted(self, channel: str, assigned: Iterable[Partition]) -> list[Partition]:
        """Return the partitions to fetch for a channel now."""

    def add(self, channel: str, batches: Mapping[Partition, Sequence[Record]]) -> None:
        """Keep what a fetch brought."""

    async def take(self, channel: str, desk: Desk) -> Sequence[Record]:
        """Return what may be handed out next, waiting for what must be applied before."""

    def forget(self, channel: str) -> None:
        """Drop what is kept; it will be fetched again."""


class LaneOrder:
    """Restrictive inputs first: what a lane hands out waits for all that the lanes before it hold.

    A candidate is handed out once everything is applied that the broker held in the lanes before
    when the candidate was fetched. What arrives there later does not hold it back, so a steady
    flow of feedback cannot starve the candidates.
    """

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        self._lanes = lanes
        self._kept: dict[str, list[Record]] = {channel: [] for channel in self.channels}

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels, one for each lane."""
        return tuple(lane.name.lower() for lane in Lane)

    def wanted(self, channel: str, assigned: Iterable[Partition]) -> list[Partition]:
        """Return the partitions of the channel's lane."""
        return by_lane(assigned, self._lanes)[Lane[channel.upper()]]

    def add(self, channel: str, batches: Mapping[Partition, Sequence[Record]]) -> None:
        """Keep what a fetch brought."""
        for partition in sorted(batches):
            self._kept[channel].extend(batches[partition])

    async def take(self, channel: str, desk: Desk) -> Sequence[Record]:
        """Return what was kept once the lanes before are applied as far as they now reach."""
        if not self._kept[channel]:
            return ()
        await desk.until(self._barrier(Lane[channel.upper()], desk.assigned))
        kept, self._kept[channel] = self._kept[channel], []
        return kept

    def forget(self, channel: str) -> None:
        """Drop what is kept."""
        self._kept[channel] = []

    def _barrier(self, lane: Lane, assigned: Assignment) -> Callable[[], bool]:
        marks = {
            partition: assigned[partition].highwater
            for partition in assigned
            if self._lanes[partition.topic] < lane
        }

        def reached() -> bool:
            for partition, mark in list(marks.items()):
                progress = assigned[partition]
                if progress.highwater is None:
                    return False
                # A mark taken before the broker answered is its first answer; a log that was
                # cut short lowers it.
                reaches = progress.highwater if mark is None else min(mark, progress.highwater)
                if progress.applied < reaches:
                    marks[partition] = reaches
                    return False
                del marks[partition]
            return True

        return reached


class Place(NamedTuple):
    """Where a record stands in the order of the record clock; smaller goes first."""

    at: int
    lane: Lane
    topic: str
    partition: int
    offset: int


Placed = tuple[Place, Record]


def placed(records: Iterable[Record], lane: Lane, since: int = 0) -> Iterator[Placed]:
    """Give one partition's records their places; a clock that steps back is held."""
    at = since
    for record in records:
        at = max(at, record.timestamp)
        yield Place(at, lane, record.topic, record.partition, record.offset), record


def merge(kept: Mapping[Partition, Sequence[Placed]], holding: Iterable[Partition]) -> list[Placed]:
    """Return the records of the moments that are known whole, in the order of the record clock.

    `holding` are the partitions that have more to come: no record may go that stands at or behind
    the last moment known of any of them, and none at all while nothing is known of one.
    """
    last_known = [kept[partition][-1][0].at if kept.get(partition) else 0 for partition in holding]
    bound = min(last_known, default=None)
    taken: list[Placed] = []
    for item in heapq.merge(*kept.values(), key=lambda item: item[0]):
        if bound is not None and item[0].at >= bound:
            break
        taken.append(item)
    return taken


class RecordOrder:
    """Replay: the records of all partitions, merged by their own time.

    A moment is handed out whole, so that what is applied first at it also comes first. Fetches of
    up to *limit* records of a partition are handed out in pieces of *piece* records, or of one
    moment, because what is not acknowledged is repeated after a crash.
    """

    channels = ("merged",)

    def __init__(self, lanes: Mapping[str, Lane], limit: int, piece: int) -> None:
        self._lanes = lanes
        self._limit = limit
        self._piece = piece
        self._kept: dict[Partition, list[Placed]] = {}
        self._merged: deque[Placed] = deque()

    def wanted(self, channel: str, assigned: Iterable[Partition]) -> list[Partition]:
        """Return the partitions of which little is kept, or no more than part of a moment."""
        del channel
        return [each for each in sorted(assigned) if not self._enough(self._kept.get(each, ()))]

    def _enough(self, kept: Sequence[Placed]) -> bool:
        return len(kept) >= 4 * self._limit and kept[0][0].at < kept[-1][0].at

    def add(self, channel: str, batches: Mapping[Partition, Sequence[Record]]) -> None:
        """Keep what a fetch brought."""
        del channel
        for partition, records in batches.items():
            kept = self._kept.setdefault(partition, [])
            since = kept[-1][0].at if kept else 0
            kept.extend(placed(records, self._lanes[partition.topic], since))

    async def take(self, channel: str, desk: Desk) -> Sequence[Record]:
        """Return what no partition can precede any more; nothing is a reason to fetch more."""
        del channel
        if not self._merged and any(self._kept.values()):
            await self._merge(desk)
        taken: list[Placed] = []
        while self._merged and (
            len(taken) < self._piece or self._merged[0][0].at == taken[-1][0].at
        ):
            taken.append(self._merged.popleft())
        return [record for _, record in taken]

    async def _merge(self, desk: Desk) -> None:
        ends = await desk.ends(list(desk.assigned))
        holding = [
            partition
            for partition in desk.assigned
            if (desk.assigned[partition].position or 0) < ends.get(partition, 0)
        ]
        taken = merge(self._kept, holding)
        counts = Counter(Partition(place.topic, place.partition) for place, _ in taken)
        for partition, count in counts.items():
            del self._kept[partition][:count]
        self._merged.extend(taken)

    def forget(self, channel: str) -> None:
        """Drop what is kept."""
        del channel
        self._kept.clear()
        self._merged.clear()

"""One fetch of records as one item of work, and the lanes in which such items travel."""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol


class Partition(NamedTuple):
    """A topic's partition; equal to the tuples of Faust and of aiokafka."""

    topic: str
    partition: int


class Lane(IntEnum):
    """What is handed out before what: the lower number goes first."""

    FIRST = 0
    URGENT = 1
    CANDIDATES = 2


class Record(Protocol):
    """One Kafka record; aiokafka's own records are used as they come."""

    @property
    def topic(self) -> str:
        """The topic's full name, prefix included."""

    @property
    def partition(self) -> int:
        """The partition's number."""

    @property
    def offset(self) -> int:
        """The place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch."""

    @property
    def key(self) -> bytes | None:
        """The key as it came."""

    @property
    def value(self) -> bytes | None:
        """The value as it came; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The headers in order, repeated names included."""


class Span:
    """The part of one partition that one fetch covers: up to, not including, `end`."""

    __slots__ = ("applied", "end", "partition")

    def __init__(self, partition: Partition, end: int) -> None:
        self.partition = partition
        self.end = end
        self.applied = False


class Fetch:
    """Records that are judged together and acknowledged with one call.

    `alive` turns False when a rebalance took any of its partitions: its work no longer counts,
    another worker repeats it, so what has not begun must not begin. `steps` counts what was done
    of the work: one that takes long is not taken for stuck while it gets on.
    """

    __slots__ = ("alive", "channel", "records", "spans", "started", "steps")

    def __init__(self, channel: str, records: Sequence[Record], spans: Sequence[Span]) -> None:
        self.channel = channel
        self.records = records
        self.spans = spans
        self.alive = True
        self.started = False
        self.steps = 0

    def start(self) -> bool:
        """Begin the work; False means that it must be dropped."""
        self.started = self.alive
        return self.alive

    def step(self) -> None:
        """Note that part of the work is done."""
        self.steps += 1

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions that the records come from."""
        return frozenset(span.partition for span in self.spans)


def spans_of(records: Iterable[Record]) -> list[Span]:
    """Return where the records of each partition end; a partition's records are in order."""
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        ends[record.topic, record.partition] = record.offset + 1
    return [Span(Partition(*partition), end) for partition, end in ends.items()]


def by_lane(
    partitions: Iterable[Partition], lanes: Mapping[str, Lane]
) -> dict[Lane, list[Partition]]:
    """Sort partitions by the lane of their topic."""
    sorted_: dict[Lane, list[Partition]] = {lane: [] for lane in Lane}
    for partition in sorted(partitions):
        sorted_[lanes[partition.topic]].append(partition)
    return sorted_

"""What the stream needs to know: where Kafka is, what to read, and how patient to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from governor.stream.fetch import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Settings of one worker; durations are seconds, as Kafka's clients count them."""

    brokers: str
    group: str
    topics: Mapping[str, Lane]
    """Every topic that is read, by its full name, and the lane it belongs to."""
    data: Path
    """A folder that the worker may write to; it is made when it is not there."""
    instance: str | None = None
    """The stable name of this worker; with it a restart takes its partitions back at once."""
    security: Mapping[str, Any] = field(default_factory=dict)
    """Security options by aiokafka's names, `ssl_context` included."""
    client_id: str = "governor"
    record_clock: bool = False
    """Hand out all partitions merged by the records' time, for a replay."""
    max_records: int = 2000
    merged_records: int = 500
    """How many merged records are one fetch: a replay that is killed repeats so many or more."""
    in_flight: int = 3
    """How many fetches of a channel may be handed out and not acknowledged."""
    fetch_within: float = 0.5
    session_timeout: float = 10.0
    commit_interval: float = 1.0
    commit_every: int = 5000
    """After how many records the next commit begins at the latest; in a replay after each fetch."""
    revoke_within: float = 5.0
    """How long a rebalance waits for what is being worked on, and then for its commit."""
    drain_within: float = 10.0
    """The same at the end of the worker."""
    stop_within: float = 40.0
    """When a worker that was told to stop is ended by force."""
    first_assignment_within: float = 120.0
    idle_within: float = 20.0
    """How long nothing may be applied before the broker is asked for the lag."""
    lag_within: float = 10.0
    """How long a lag may then stand before the worker ends itself."""

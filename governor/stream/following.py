"""How far a worker has come with what it reads: its lag, its freshness, and what is applied."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from governor.config import topics
from governor.stream.assignment import Assignment
from governor.stream.fetch import Lane, Partition
from governor.stream.settings import StreamSettings
from governor.stream.transport import Consumer

CONSENTS_WITHIN = 5.0
"""Seconds that consents, cancellations and controls may lag before the gate is held."""


class Following:
    """Answers from the consumer of an app, which comes with its start; *tick* as the consumer's."""

    def __init__(self, settings: StreamSettings, prefix: str, tick: Callable[[], float]) -> None:
        self._settings = settings
        self._prefix = prefix
        self._tick = tick
        self._app: Any = None
        self._marks: dict[Partition, tuple[float | None, int]] | None = None
        self._restrictive = frozenset(
            prefix + name for name in (topics.CONSENTS, topics.CANCELLATIONS, topics.CONTROL)
        )

    def follow(self, app: Any) -> None:
        """Answer for *app* from now on."""
        self._app = app

    def assigned(self) -> Assignment | None:
        """Return what this worker owns, None while that is not known.

        Nor is it while partitions are handed out anew: then what is not read yet is in none of
        those that are known.
        """
        # `app.consumer` would make one before its time.
        consumer = self._app._consumer if self._app is not None else None
        if not isinstance(consumer, Consumer) or not consumer.assigned.known:
            return None
        return consumer.assigned

    def lag(self) -> int:
        """Return how many records of the owned partitions are not applied yet."""
        return sum(self.lags().values())

    def lags(self) -> dict[tuple[str, int], int]:
        """Return the lag of each owned partition."""
        owned = self.assigned()
        return {} if owned is None else {(*each,): owned[each].lag for each in owned}

    def applied(self) -> dict[str, dict[int, int]]:
        """Tell how far the inputs are applied that a rebuild would read again."""
        owned = self.assigned()
        applied: dict[str, dict[int, int]] = defaultdict(dict)
        for each in owned or ():
            at = owned[each].applied_to if owned is not None else None
            if at is not None and self._settings.topics[each.topic] is Lane.FIRST:
                applied[each.topic.removeprefix(self._prefix)][each.partition] = at
        return applied

    def late(self) -> str | None:
        """Say why the consents cannot be relied on: not all that is known of is applied."""
        owned = self.assigned()
        if self._settings.record_clock:
            return None
        if owned is None:
            return "no partitions are assigned yet"
        for each in owned:
            if each.topic in self._restrictive and (words := self._behind(owned, each)) is not None:
                return f"{each.topic}/{each.partition} is {words}"
        if self._marks is None:
            return "the other workers were not looked at yet"
        for each, (since, _) in self._marks.items():
            if each not in set(owned) and (words := self._late_since(since)) is not None:
                return f"{each.topic}/{each.partition} of another worker is {words}"
        return None

    async def look_at_others(self) -> None:
        """Note how far the other workers have committed what restricts.

        What is due may be anybody's, so a worker that died with withdrawals unread holds all. A
        mark is an end that was once seen; it goes on when the group has committed up to it, so a
        steady flow is not taken for a lag. How long the first has stood by then is not known.
        """
        owned = self.assigned()
        if owned is None:
            return
        found = await self._consumer().others(self._restrictive)
        now = self._tick()
        known, marks = self._marks or {}, dict[Partition, tuple[float | None, int]]()
        for each, (committed, end) in found.items():
            since, mark = known.get(each, (None, end))
            marks[each] = (now, end) if committed >= mark else (since, mark)
        self._marks = marks

    def _consumer(self) -> Consumer:
        consumer: Consumer = self._app._consumer
        return consumer

    def _behind(self, owned: Assignment, partition: Partition) -> str | None:
        return self._late_since(owned[partition].caught_up_at)

    def _late_since(self, at: float | None) -> str | None:
        if at is None:
            return "not read to its end yet"
        late = self._tick() - at
        return None if late <= CONSENTS_WITHIN else f"{late:.0f} s behind"

"""A worker that does to itself what its plan says: dies, freezes or ends at a named point.

`python -m tests.faults.crash_worker` runs what `governor run` runs. CRASH_PLAN names a point, at
which pass through it, and how, such as `after commit:3:kill`; MUTATION names a bug to have.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from governor.cli import main
from governor.ledger.redis import RedisLedger
from governor.service import Governor
from governor.stream import producer
from governor.stream.transport import Consumer
from tests.faults.mutations import apply

SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "stop": signal.SIGTERM}
POINTS = (
    *("before load", "after load", "before commit", "after commit"),
    *("before publish", "within publish", "after publish"),
    *("before acknowledge", "after acknowledge", "before offsets", "after offsets"),
    *("before waking", "within waking", "after waking"),
)
SHARED_POINTS = ("before households", "after households", "before reserve", "after reserve")
"""Where only a policy that counts by household comes by."""


class Plan:
    """What happens to this process, and where; every point is passed through `at`."""

    def __init__(self, text: str) -> None:
        point, _, rest = text.partition(":")
        number, _, how = rest.partition(":")
        self._point = point
        self._left = int(number)
        self._signal = SIGNALS[how]

    def at(self, point: str) -> None:
        """Pass a point; the process may not come back."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._signal)

    def around(self, place: Any, name: str, what: str, idle: Callable[..., bool]) -> None:
        """Make a point before and after each call of a coroutine that has something to do."""
        call = getattr(place, name)

        async def wrapped(*arguments: Any, **named: Any) -> Any:
            if idle(*arguments):
                return await call(*arguments, **named)
            self.at(f"before {what}")
            result = await call(*arguments, **named)
            self.at(f"after {what}")
            return result

        setattr(place, name, wrapped)


def _prepare(plan: Plan) -> None:
    plan.around(RedisLedger, "load", "load", lambda _, keys: not keys)
    plan.around(RedisLedger, "commit", "commit", lambda _, changes: not changes)
    plan.around(RedisLedger, "households", "households", lambda *_: False)
    plan.around(RedisLedger, "commit_households", "reserve", lambda *_: False)
    plan.around(producer.Outbox, "send", "publish", lambda _, records: not records)
    plan.around(Consumer, "force_commit", "offsets", lambda self, *_: not _waits(self))
    plan.around(Governor, "wake", "waking", lambda *_: False)
    _within(plan)
    acknowledge = Consumer.acknowledge

    def acknowledging(self: Consumer, fetch: Any) -> bool:
        plan.at("before acknowledge")
        counted = acknowledge(self, fetch)
        plan.at("after acknowledge")
        return counted

    Consumer.acknowledge = acknowledging  # type: ignore[method-assign]


def _waits(consumer: Consumer) -> bool:
    return bool(consumer.assigned.committable())


def _within(plan: Plan) -> None:
    deliver, claim = producer.Outbox._deliver, RedisLedger.claim

    async def delivering(*arguments: Any) -> list[producer.Outgoing]:
        too_large = await deliver(*arguments)
        plan.at("within publish")
        return too_large

    async def claiming(self: RedisLedger, until: int, limit: int) -> list[str]:
        keys = await claim(self, until, limit)
        if keys:
            plan.at("within waking")
        return keys

    producer.Outbox._deliver = delivering  # type: ignore[assignment,method-assign]
    RedisLedger.claim = claiming  # type: ignore[method-assign]


if __name__ == "__main__":
    if mutation := os.environ.get("MUTATION"):
        apply(mutation)
    if planned := os.environ.get("CRASH_PLAN"):
        _prepare(Plan(planned))
    sys.argv[1:] = ["run"]
    main()

"""What ends a worker that would otherwise sit alive and idle, and what keeps its log readable."""

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

log = logging.getLogger(__name__)


class StuckError(Exception):
    """The worker cannot go on by itself; a restart is the cure."""


def coordination_fault(consumer: Any) -> BaseException | None:
    """Return why the client has left its group for good, None while all is well.

    The client keeps such an error for the next call that polls it. Before the first assignment
    nothing polls, and the process would wait for ever.
    """
    coordinator = consumer._coordinator
    pending = coordinator._pending_exception
    if pending is not None:
        return StuckError(f"group coordination failed: {pending!r}")
    tasks = {
        "group coordination": coordinator._coordination_task,
        "fetching": consumer._fetcher.error_future,
        "refreshing metadata": consumer._client._sync_task,
    }
    for name, task in tasks.items():
        if task.done():
            return StuckError(f"{name} ended: {task}")
    return None


class LagWatch:
    """Notices a worker that applies nothing although there is something to apply."""

    def __init__(self, idle: float, lagging: float) -> None:
        self._idle = idle
        self._lagging = lagging
        self._applied: object = None
        self._moved_at: float | None = None
        self._lags_since: float | None = None

    def idle(self, now: float, applied: object) -> bool:
        """Tell whether *applied* has stood for long enough to ask the broker for the lag."""
        if applied != self._applied or self._moved_at is None:
            self._applied = applied
            self._moved_at = now
            self._lags_since = None
        return now - self._moved_at >= self._idle

    def stuck(self, now: float, lag: int | None) -> bool:
        """Tell whether the lag has stood for long enough; None: excused, or the broker is away."""
        if not lag:
            self._lags_since = None
            return False
        if self._lags_since is None:
            self._lags_since = now
        return now - self._lags_since >= self._lagging

    def excuse(self) -> None:
        """Start again: the worker waits on purpose."""
        self._moved_at = None


async def watch(
    service: Any,
    watch: LagWatch,
    counted: Callable[[], object],
    waiting: Callable[[], Awaitable[int | None]],
    excused: Callable[[], bool],
) -> None:
    """Crash *service* when *counted* stands still although *waiting* says that it should not."""
    while not service.should_stop:
        await service.sleep(1.0)
        if excused():
            watch.excuse()
        if watch.idle(time.monotonic(), counted()):
            left = await waiting()
            if watch.stuck(time.monotonic(), left) and not service.should_stop:
                await service.crash(StuckError(f"no progress although {left} records wait"))


class Repeats(logging.Filter):
    """Lets through the first few of equal log lines and counts the rest."""

    def __init__(
        self, limit: int = 5, per: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._limit = limit
        self._per = per
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one line; the next one let through says how many were left out."""
        line, now = (record.name, record.levelno, str(record.msg)), self._clock()
        began, count = self._seen.get(line, (now, 0))
        if now - began >= self._per:
            if count > self._limit:
                left_out = count - self._limit
                record.msg = f"{record.msg} (and {left_out} more of these)"
            began, count = now, 0
        self._seen[line] = (began, count + 1)
        return count < self._limit


NOISY: Final = ("aiokafka", "faust", "mode")
_FILTER = Repeats()


def limit_client_logs() -> None:
    """Limit repeated lines of the Kafka client, which writes thousands while a broker is away."""
    names = [*NOISY, *logging.root.manager.loggerDict]
    for name in names:
        if name.partition(".")[0] in NOISY:
            logging.getLogger(name).addFilter(_FILTER)


class LastResort(threading.Thread):
    """Ends the process when it was told to stop and does not come to an end."""

    def __init__(
        self,
        stopping: Callable[[], bool],
        within: float,
        why: Callable[[], BaseException | None],
    ) -> None:
        """End what is *stopping* for *within* seconds; *why* is what crashed it, if anything."""
        super().__init__(name="last-resort", daemon=True)
        self._why = why
        self._stopping = stopping
        self._within = within
        self._over = threading.Event()

    def run(self) -> None:
        """Wait for the stop, then for the end."""
        while not self._stopping():
            if self._over.wait(0.5):
                return
        if not self._over.wait(self._within):
            reason = self._why()
            after = "" if reason is None else f" after {reason!r}"
            words = "the worker did not stop within %.0f s%s and is ended"
            log.critical(words, self._within, after)
            logging.shutdown()
            os._exit(1)

    def over(self) -> None:
        """Call it off: the process ends by itself."""
        self._over.set()

"""An event loop on which nothing is real: time jumps, and chance, from a seed, orders what runs."""

from __future__ import annotations

import asyncio
import heapq
import warnings
from collections import deque
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any

OWNER: ContextVar[str] = ContextVar("OWNER", default="")
"""The process that a task belongs to; killing or freezing it stops every task of its own."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready in an order that the seed alone decides; time passes when nothing is."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._moment = 0.0
        self.died: dict[str, float] = {}
        self._kept: dict[str, list[asyncio.Handle]] = {}
        self.steps = 0

    def time(self) -> float:
        return self._moment

    def spawn(self, owner: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task of the process *owner*; what it starts belongs there as well."""
        context = copy_context()
        context.run(OWNER.set, owner)
        return self.create_task(work, context=context)

    def kill(self, owner: str) -> None:
        """End a process between two of its steps: nothing of it runs any more."""
        self.died.setdefault(owner, self._moment)
        self.freeze(owner)

    def freeze(self, owner: str) -> None:
        """Stop a process; what comes for it is kept."""
        self._kept.setdefault(owner, [])

    def thaw(self, owner: str) -> None:
        """Let a frozen process go on."""
        if owner not in self.died:
            self._ready.extend(self._kept.pop(owner, ()))

    def bury(self) -> None:
        """End every task; what was killed must not be left to the garbage collector."""
        self.died.clear()
        for owner in list(self._kept):
            self.thaw(owner)
        with warnings.catch_warnings():
            # What had not begun yet never will.
            warnings.simplefilter("ignore", RuntimeWarning)
            while tasks := asyncio.all_tasks(self):
                for task in tasks:
                    task.cancel()
                self.run_until_complete(asyncio.wait(tasks))
            self.run_until_complete(self.shutdown_asyncgens())
        self.close()

    def frozen(self, owner: str) -> bool:
        return owner in self._kept

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        if not ready and timers:
            self._moment = max(self._moment, timers[0].when())
        while timers and timers[0].when() <= self._moment:
            ready.append(heapq.heappop(timers))
        if not ready:
            raise RuntimeError("nothing is left to run")
        if len(ready) > 1:
            ready.rotate(-self._chance.randrange(len(ready)))
        handle = ready.popleft()
        if handle._cancelled:
            return
        owner = _context_of(handle).get(OWNER, "")
        if owner in self._kept:
            self._kept[owner].append(handle)
            return
        self.steps += 1
        handle._run()

    def _process_events(self, event_list: Any) -> None:
        raise NotImplementedError

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""


def _context_of(handle: Any) -> Context:
    context: Context = handle._context
    return context

"""A worker whose clock can be moved, that can be frozen at its work, and is short of patience.

`python -m tests.faults.odd_worker` runs what `governor run` runs. ODD names a folder: in it the
file `clock` says by how many ms wall time is off, `ledger-clock` the same of what Redis says, and
while there is a file `freeze` no candidate is ever done with. PATIENCE is for how many seconds it
believes that it is well, and doubts a clock that was moved. With a file `stumble` one of its duties
fails when the worker has begun to stop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Awaitable
from pathlib import Path

from governor import bootstrap, health
from governor.cli import main
from governor.config.settings import Settings
from governor.ledger.redis.custody import Custody
from governor.stream import clock_watch, duties
from governor.stream.fetch import Fetch
from governor.stream.gate import Gate
from governor.stream.settings import StreamSettings

_POLICY_EVERY = 0.05


def _move_clocks(folder: Path) -> None:
    wall, check = bootstrap.wall, Custody.check_server

    def moved() -> int:
        return wall() + int((folder / "clock").read_text())

    async def check_moved(self: Custody) -> int:
        return await check(self) + int((folder / "ledger-clock").read_text())

    bootstrap.wall = moved
    Custody.check_server = check_moved  # type: ignore[method-assign]


def _freeze(folder: Path) -> None:
    handle = Gate.handle

    async def handling(self: Gate, fetch: Fetch) -> Awaitable[None] | None:
        if fetch.channel == "candidates" and (folder / "freeze").exists():
            await asyncio.Event().wait()
        return await handle(self, fetch)

    Gate.handle = handling  # type: ignore[method-assign]


def _lose_patience(within: float) -> None:
    patient = bootstrap._stream_settings

    def short(settings: Settings) -> StreamSettings:
        return dataclasses.replace(patient(settings), idle_within=2 * within, lag_within=within)

    bootstrap._stream_settings = short
    health.STUCK_AFTER = clock_watch.SETTLED = within
    duties._WATCH_EVERY = _POLICY_EVERY


def _stumble(folder: Path) -> None:
    follow = bootstrap._Worker._follow_others

    async def following(self: bootstrap._Worker) -> None:
        if not (folder / "stumble").exists():
            return await follow(self)
        task = asyncio.ensure_future(follow(self))
        while not self._app.should_stop:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_POLICY_EVERY / 10)
        task.cancel()
        raise RuntimeError("the client is gone")

    bootstrap._Worker._follow_others = following  # type: ignore[method-assign]


if __name__ == "__main__":
    odd = Path(os.environ["ODD"])
    _move_clocks(odd)
    _freeze(odd)
    _stumble(odd)
    _lose_patience(float(os.environ["PATIENCE"]))
    sys.argv[1:] = ["run"]
    main()

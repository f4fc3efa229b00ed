"""A worker as its own process: writes down what it applies, one line per fetch.

Its settings come as JSON in the first argument. A line holds the channel, when its work began and
ended, and the records as [topic, partition, offset, value].
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust

from governor.stream.fetch import Fetch, Lane
from governor.stream.settings import StreamSettings
from governor.stream.worker import consumer_of, make_app, run_worker


class Journal:
    """What a worker does with its fetches in these tests."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.path = Path(given["journal"])
        self._file = self.path.open("a")
        self._poison: str | None = given.get("poison")
        self._delay: float = given.get("delay", 0.0)
        self._publishing: float = given.get("publishing", 0.0)
        self._hold: str | None = given.get("hold")
        self._linger: bool = given.get("linger", False)
        self._steps: int = given.get("steps", 0)

    async def handle(self, fetch: Fetch) -> Awaitable[None] | None:
        began = time.time()
        values = [(record.value or b"").decode() for record in fetch.records]
        if self._poison in values:
            message = f"poison {self._poison}"
            raise ValueError(message)
        if fetch.channel == self._hold:
            await asyncio.Event().wait()
        for _ in range(self._steps):
            await asyncio.sleep(0.1)
            fetch.step()
        await asyncio.sleep(self._delay)
        rest = self._write(fetch, began, values)
        if self._publishing:
            return rest
        await rest
        return None

    async def _write(self, fetch: Fetch, began: float, values: list[str]) -> None:
        await asyncio.sleep(self._publishing)
        records = [
            (record.topic, record.partition, record.offset, value)
            for record, value in zip(fetch.records, values, strict=True)
        ]
        line = {"channel": fetch.channel, "began": began, "ended": time.time(), "records": records}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    @asynccontextmanager
    async def reporting(self, app: faust.App) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self._report(app))
        yield
        task.cancel()
        if self._linger:
            await asyncio.Event().wait()

    async def _report(self, app: faust.App) -> None:
        path = self.path.with_suffix(".progress")
        while True:
            await asyncio.sleep(0.1)
            consumer, now = consumer_of(app), time.monotonic()
            owned, lanes = consumer.assigned, consumer.settings.topics
            lags = {"-".join(map(str, each)): owned[each].lag for each in owned}
            firsts = [each for each in owned if lanes[each.topic] is Lane.FIRST]
            times = {"-".join(map(str, each)): owned[each].caught_up_at for each in firsts}
            ages = {name: at and now - at for name, at in times.items()}
            path.with_suffix(".new").write_text(json.dumps({"lags": lags, "caught_up": ages}))
            path.with_suffix(".new").replace(path)


def main(given: dict[str, Any]) -> int:
    settings = StreamSettings(
        brokers=given["brokers"],
        group=given["group"],
        topics={topic: Lane[lane] for topic, lane in given["topics"].items()},
        data=Path(given["journal"]).parent / "data",
        **given.get("settings", {}),
    )
    journal = Journal(given)
    app = make_app(settings, journal.handle)
    return run_worker(app, journal.reporting(app))


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(name)s %(levelname)s %(message)s")
    sys.exit(main(json.loads(sys.argv[1])))

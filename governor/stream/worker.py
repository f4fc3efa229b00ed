"""Builds the Faust app of a worker and runs it in this process to its end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import faust
import mode
import uvloop
from faust.app.base import BootStrategy
from faust.streams import _CStreamIterator

from governor.collector import collect_rarely
from governor.stream.fetch import Fetch
from governor.stream.order import LaneOrder, RecordOrder
from governor.stream.settings import StreamSettings
from governor.stream.transport import Consumer, Transport
from governor.stream.watchdog import LastResort, StuckError, limit_client_logs

log = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[Fetch], Awaitable[Awaitable[None] | None]]


class _Boot(BootStrategy):
    """Governor has its own producer and its own health page."""

    enable_kafka_producer = False
    enable_web = False


class _App(faust.App):
    BootStrategy = _Boot

    async def on_start(self) -> None:
        """Subscribe here, on the loop that runs; Faust's conductor keeps the first it meets."""
        for topic in self.transport.settings.topics:
            self.topics.add(self.topic(topic, key_type=bytes, value_type=bytes))
        await super().on_start()


def make_app(
    settings: StreamSettings, handle: Handler, *, excused: Callable[[], bool] = bool
) -> faust.App:
    """Return an app whose agents give every fetch to *handle*.

    `handle` returns when all that came of the fetch is written down and acknowledged by the
    broker. To let the next fetch begin while it still publishes, it may instead return an
    awaitable that does the rest. A fetch is acknowledged only after both; an exception in either
    ends the process. While *excused* says so, no progress is expected: the gate holds.
    """
    if _CStreamIterator is None:
        raise StuckError("faust was installed without its compiled stream iterator")
    app = _new_app(settings)
    order = (
        RecordOrder(settings.topics, settings.max_records, settings.merged_records)
        if settings.record_clock
        else LaneOrder(settings.topics)
    )
    transport = Transport(app, settings, order)
    transport.excused = excused
    app.transport = transport
    for name, channel in transport.channels.items():
        app.agent(channel, name=f"governor.{name}")(_Work(app, handle).agent)
    app.on_before_shutdown.connect(_drain)
    return app


def _new_app(settings: StreamSettings) -> _App:
    return _App(
        settings.group,
        broker=[f"kafka://{address.strip()}" for address in settings.brokers.split(",")],
        datadir=str(settings.data),
        agent_supervisor=mode.CrashingSupervisor,
        broker_client_id=settings.client_id,
        broker_commit_interval=settings.commit_interval,
        broker_request_timeout=40.0,
        broker_session_timeout=settings.session_timeout,
        consumer_group_instance_id=settings.instance,
        cython_optimizations=True,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        value_serializer="raw",
        web_enabled=False,
        worker_redirect_stdouts=False,
    )


def consumer_of(app: faust.App) -> Consumer:
    """Return the consumer of an app, for its health and its metrics."""
    consumer: Consumer = app.consumer
    return consumer


class _Work:
    """What the agents do with a fetch."""

    def __init__(self, app: faust.App, handle: Handler) -> None:
        self._app = app
        self._handle = handle

    async def agent(self, stream: Any) -> None:
        """Apply each fetch that still counts, one after the other."""
        async for fetch in stream.noack():
            if fetch.start():
                rest = await self._unless_it_fails(fetch, self._handle(fetch))
                if rest is None:
                    consumer_of(self._app).acknowledge(fetch)
                else:
                    consumer_of(self._app).add_future(self._finish(fetch, rest))

    async def _finish(self, fetch: Fetch, rest: Awaitable[None]) -> None:
        await self._unless_it_fails(fetch, rest)
        consumer_of(self._app).acknowledge(fetch)

    async def _unless_it_fails(self, fetch: Fetch, work: Awaitable[T]) -> T:
        try:
            return await work
        except BaseException:
            consumer_of(self._app).abandon(fetch)
            raise


async def _drain(app: faust.App, **_: Any) -> None:
    consumer = consumer_of(app)
    # After a crash nothing is waited for: what failed may never end.
    await consumer.settle(1.0 if app.crashed else consumer.settings.drain_within)
    consumer.assigned.rewind()


class _Lifespan(mode.Service):
    """Opens what the worker needs before its app starts and closes it after the app has stopped."""

    def __init__(self, needed: AbstractAsyncContextManager[Any]) -> None:
        super().__init__()
        self._needed = needed

    async def on_start(self) -> None:
        await self._needed.__aenter__()

    async def on_stop(self) -> None:
        await self._needed.__aexit__(None, None, None)


def run_worker(app: faust.App, needed: AbstractAsyncContextManager[Any] | None = None) -> int:
    """Run the app until SIGTERM, SIGINT or a crash; return the exit code, 0 only when told to stop.

    *needed* is entered on the worker's loop before anything is read from Kafka.
    """
    # A policy, because the client's thread makes a loop of its own.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    limit_client_logs()
    settings = app.transport.settings
    settings.data.mkdir(parents=True, exist_ok=True)
    services = [_Lifespan(needed)] if needed is not None else []
    worker = faust.Worker(
        app,
        *services,
        loop=loop,
        quiet=True,
        override_logging=False,
        redirect_stdouts=False,
    )
    worker.spinner = None
    last_resort = LastResort(
        lambda: bool(worker.should_stop), settings.stop_within, lambda: worker.crash_reason
    )
    last_resort.start()
    collect_rarely()
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        if code:
            log.critical("the worker ends: %r", worker.crash_reason or ended.__context__)
        return code
    finally:
        last_resort.over()
    return 0

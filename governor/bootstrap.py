"""Puts a worker together: the only place that knows the clock and every concrete class."""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from governor import logs
from governor.broker import BrokerUnavailable, has_begun
from governor.config import topics
from governor.config.policy_file import load_policy
from governor.config.settings import Settings
from governor.core.instant import SECOND
from governor.core.policy import Policy
from governor.health import Health
from governor.ledger.keys import Pseudonyms, Sealer, payload_keys
from governor.ledger.protocol import LedgerUnavailable
from governor.ledger.redis import Guard, RedisLedger
from governor.metrics import Metrics
from governor.probes import Probes
from governor.rebuild import Progress, Rebuild
from governor.service import Governor
from governor.stream.duties import WATCH_EVERY, PolicyWatch, Tally, Waker
from governor.stream.fetch import Lane, Partition
from governor.stream.gate import Gate
from governor.stream.intake import LANES, Reader
from governor.stream.ledger_watch import LedgerWatch
from governor.stream.outgoing import Writer
from governor.stream.producer import Outbox
from governor.stream.publisher import Parts
from governor.stream.replay import Replay
from governor.stream.settings import StreamSettings
from governor.stream.transport import Consumer
from governor.stream.worker import make_app, run_worker
from governor.topics import missing

log = logging.getLogger(__name__)

CONSENTS_WITHIN = 5.0
_OUTPUT_ROOM = topics.ROOMY_BYTES - 65_536
_WAIT_FOR_LEDGER = 30.0
_AWAY, _FINE = 4, 0


def run(settings: Settings) -> int:
    """Run the worker to its end and return the exit code.

    Raises PolicyInvalid, and BrokerUnavailable or LedgerUnavailable when a dependency is away or
    not fit at the start; once the worker runs, it holds instead.
    """
    logs.configure(settings.log)
    policy = load_policy(settings.policy)
    _ready_broker(settings)
    asyncio.run(_ready_ledger(settings))
    return _Worker(settings, policy).run()


def _ready_broker(settings: Settings) -> None:
    absent = missing(settings)
    if absent:
        names = ", ".join(f"`{name}`" for name in absent)
        raise BrokerUnavailable(f"kafka: has no topic {names}, `governor topics create` makes it")


async def _ready_ledger(settings: Settings) -> None:
    ledger = RedisLedger(settings.redis)
    deadline = time.monotonic() + _WAIT_FOR_LEDGER
    try:
        while True:
            try:
                await ledger.check_server()
            except LedgerUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1.0)
            else:
                return
    finally:
        await ledger.close()


def sealer_of(settings: Settings) -> Sealer:
    """Return what seals bodies: the configured keys, and the derived one to open older ones."""
    assert settings.pseudonym_key is not None  # noqa: S101
    keys, current = payload_keys(settings.pseudonym_key, None)
    if settings.payload_keys:
        keys, current = {**keys, **dict(settings.payload_keys)}, settings.payload_keys[0][0]
    return Sealer(keys, current)


def wall() -> int:
    """Return what time it is, in ms."""
    return time.time_ns() // 1_000_000


def ledger_of(settings: Settings, guard: Guard | None = None) -> RedisLedger:
    """Return the ledger of these settings; a replay's claims are leased to nobody."""
    lease = 0 if settings.clock == "record" else 2 * SECOND
    return RedisLedger(settings.redis, f"{settings.topic_prefix}g:", lease=lease, guard=guard)


class _Worker:
    """One worker, from its settings to its end."""

    def __init__(self, settings: Settings, policy: Policy) -> None:
        self._settings = settings
        self._replays = settings.clock == "record"
        prefix = settings.topic_prefix
        guard = Guard()
        self._ledger = ledger_of(settings, guard)
        self._unguarded = ledger_of(settings)
        self._metrics = Metrics()
        self._health = Health(self._metrics, time.monotonic, self._lag)
        self._stream = StreamSettings(
            brokers=",".join(settings.brokers),
            group=settings.group,
            topics={prefix + name: lane for name, lane in LANES.items()},
            data=settings.data,
            instance=settings.instance,
            security=settings.kafka.client_options(),
            record_clock=self._replays,
            session_timeout=settings.session_timeout / SECOND,
        )
        self._consents = frozenset(
            prefix + name for name in (topics.CONSENTS, topics.CANCELLATIONS, topics.CONTROL)
        )
        sealer = sealer_of(settings)
        self._names = Pseudonyms(settings.pseudonym_key)
        self._parts = Parts(
            governor=Governor(
                policy,
                self._ledger,
                self._names,
                sealer,
                tick=time.perf_counter,
            ),
            reader=Reader(prefix, settings.max_bytes),
            writer=Writer(prefix, sealer),
            outbox=Outbox(
                self._stream.brokers, security=self._stream.security, record_bytes=_OUTPUT_ROOM
            ),
            metrics=self._metrics,
            health=self._health,
            now=wall,
            tick=time.monotonic,
            late=self._late,
            bad_limit=settings.dead_letter_limit,
        )
        self._gate = Gate(self._parts)
        self._health.hold("ledger", "it was not looked at yet")
        rebuild = Rebuild(
            settings,
            policy,
            self._unguarded,
            self._names,
            sealer,
            self._restored,
        )
        self._watch = LedgerWatch(
            self._parts,
            self._unguarded,
            guard,
            restore=rebuild.run,
            begun=lambda: has_begun(settings),
            applied=self._applied,
            clocks=not self._replays,
        )
        handle = Replay(self._parts, self._gate).handle if self._replays else self._gate.handle
        self._app = make_app(self._stream, handle, excused=lambda: self._health.held)
        self._policies = PolicyWatch(self._parts, settings.policy, sorted(self._stream.topics))
        self._policies.use(policy)

    def run(self) -> int:
        """Run until told to stop or until something breaks."""
        return run_worker(self._app, self._needed())

    @contextlib.asynccontextmanager
    async def _needed(self) -> AsyncIterator[None]:
        """Open what the worker needs and keep its duties going while it runs."""
        address = self._settings.metrics
        duties = [
            self._watch_ledger,
            self._policies.run,
            Tally(self._parts, self._ledger).run,
            self._report,
        ]
        if not self._replays:
            duties.append(Waker(self._gate, self._parts).run)
        async with Probes(self._metrics, self._health, address.host, address.port):
            tasks = [asyncio.ensure_future(self._do(duty)) for duty in duties]
            try:
                async with self._parts.outbox:
                    yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._ledger.close()
                await self._unguarded.close()

    async def _do(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Do *duty* for ever; when it fails, so does the worker."""
        try:
            await duty()
        except Exception as error:
            log.exception("a duty failed")
            await self._app.crash(error)

    async def _watch_ledger(self) -> None:
        while True:
            await self._watch.look()
            await asyncio.sleep(WATCH_EVERY)

    def _restored(self, progress: Progress) -> None:
        words = f"being restored: {progress.records} records read, now {progress.topic}"
        self._health.hold("ledger", words)

    def _applied(self) -> dict[str, dict[int, int]]:
        """Tell how far this worker has applied the inputs that a rebuild would read again."""
        applied: dict[str, dict[int, int]] = defaultdict(dict)
        consumer = self._consumer()
        for each in consumer.assigned if consumer else ():
            at = consumer.assigned[each].applied_to if consumer else None
            if at is not None and self._stream.topics[each.topic] is Lane.FIRST:
                name = each.topic.removeprefix(self._settings.topic_prefix)
                applied[name][each.partition] = at
        return applied

    async def _report(self) -> None:
        """Tell health and metrics every second how far the partitions have come."""
        while True:
            await asyncio.sleep(1.0)
            consumer = self._consumer()
            if consumer is None or consumer.assigned_at is None:
                self._health.assigned(None)
                continue
            owned = consumer.assigned
            self._health.assigned(len(owned))
            self._metrics.set_lag({(*each,): owned[each].lag for each in owned})

    def _consumer(self) -> Consumer | None:
        consumer: Any = self._app._consumer  # noqa: SLF001 - `consumer` would make one too early
        return consumer if isinstance(consumer, Consumer) else None

    def _lag(self) -> int:
        consumer = self._consumer()
        return sum(consumer.assigned[each].lag for each in consumer.assigned) if consumer else 0

    def _late(self) -> str | None:
        """Say why the consents cannot be relied on: not all that is known of is applied."""
        consumer = self._consumer()
        if consumer is None or self._replays:
            return None
        now = time.monotonic()
        for each in consumer.assigned:
            if each.topic in self._consents and (late := _behind(consumer, each, now)) is not None:
                return f"{each.topic}/{each.partition} is {late}"
        return None


def _behind(consumer: Consumer, partition: Partition, now: float) -> str | None:
    at = consumer.assigned[partition].caught_up_at
    if at is None:
        return "not read to its end yet"
    return None if now - at <= CONSENTS_WITHIN else f"{now - at:.0f} s behind"

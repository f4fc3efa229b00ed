"""Puts a worker together: the only place that knows the clock and every concrete class."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterable

from aiokafka.errors import KafkaError

from governor import logs
from governor.broker import BrokerUnavailable, has_begun
from governor.config import topics
from governor.config.policy_file import Stamp, load_policy, stamp
from governor.config.settings import Settings, SettingsInvalid
from governor.core.instant import SECOND
from governor.core.policy import Policy
from governor.health import Health
from governor.ledger.keys import Pseudonyms, SealedError, Sealer, payload_keys
from governor.ledger.protocol import LedgerUnavailable, LedgerUnfit
from governor.ledger.redis import Guard, RedisLedger
from governor.metrics import Metrics
from governor.probes import Probes
from governor.rebuild import Progress, Rebuild, Source
from governor.service import Governor
from governor.stream.clock_watch import ClockWatch
from governor.stream.duties import Duty, PolicyWatch, Tally, Waker
from governor.stream.following import Following
from governor.stream.gate import Gate
from governor.stream.intake import LANES, Reader
from governor.stream.ledger_watch import LedgerWatch
from governor.stream.outgoing import Writer
from governor.stream.producer import Outbox
from governor.stream.publisher import Parts
from governor.stream.replay import Replay
from governor.stream.settings import StreamSettings
from governor.stream.worker import Handler, make_app, run_worker
from governor.topics import create, look

log = logging.getLogger(__name__)

_ADDED = 65_536
_OUTPUT_ROOM = topics.ROOMY_BYTES - _ADDED
_ANSWER_WITHIN = 5.0


def run(settings: Settings) -> int:
    """Run the worker to its end and return the exit code.

    Raises PolicyInvalid, SettingsInvalid when it cannot listen or write where it should,
    BrokerUnavailable when Kafka is away or not fit at the start, and LedgerUnfit when Redis is not
    fit; a Redis that is away, and whatever goes away later, holds the gate instead. Raises
    SealedError when the worker has ended because the keys that are set do not open what waits.
    """
    logs.configure(settings.log)
    for note in settings.notes:
        log.warning("%s", note)
    seen = stamp(settings.policy)
    policy = load_policy(settings.policy)
    _ready_folder(settings)
    most = _ready_broker(settings, policy)
    asyncio.run(_ready_ledger(settings))
    _ready_address(settings)
    return _Worker(settings, policy, seen, most).run()


def _ready_broker(settings: Settings, policy: Policy) -> int:
    """Return how large a record may be that what is made of it can still be published."""
    absent, rooms = look(settings)
    if absent == [settings.topic_prefix + topics.HANDOVERS]:
        # Topics from before it was added. Of anything else that is absent the prefix may be wrong.
        create(settings, policy)
        absent, rooms = look(settings)
    if absent:
        names = ", ".join(f"`{name}`" for name in absent)
        raise BrokerUnavailable(f"kafka: has no topic {names}, `governor topics create` makes it")
    most = min(settings.max_bytes, _OUTPUT_ROOM - _ADDED)
    for name, room in sorted(rooms.items()):
        if room < most + _ADDED:
            most = max(room - _ADDED, room // 2)
            words = "%s: `max.message.bytes` is %d, so records over %d bytes become dead letters"
            log.warning(words, name, room, most)
    return most


async def _ready_ledger(settings: Settings) -> None:
    """Refuse a server that would lose what it is told; for one that is away the worker holds."""
    ledger = RedisLedger(settings.redis)
    try:
        await ledger.check_server()
    except LedgerUnfit:
        raise
    except LedgerUnavailable as error:
        log.warning("the worker starts and holds until its ledger answers: %s", error)
    finally:
        await ledger.close()


def _ready_folder(settings: Settings) -> None:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (error.strerror or "it cannot be had").lower()
        words = f"GOVERNOR_DATA: cannot make the folder `{settings.data}`: {why}"
        raise SettingsInvalid([words]) from None


def _ready_address(settings: Settings) -> None:
    host, port = settings.metrics
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = (error.strerror or "it cannot be had").lower()
        words = f"GOVERNOR_METRICS: cannot listen on `{host}:{port}`: {why}"
        raise SettingsInvalid([words]) from None


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


def _stream_settings(settings: Settings) -> StreamSettings:
    return StreamSettings(
        brokers=",".join(settings.brokers),
        group=settings.group,
        topics={settings.topic_prefix + name: lane for name, lane in LANES.items()},
        data=settings.data,
        instance=settings.instance,
        security=settings.kafka.client_options(),
        record_clock=settings.clock == "record",
        session_timeout=settings.session_timeout / SECOND,
    )


async def _end(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel *tasks* until they have ended: before Python 3.12 a client may swallow it once."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)


class _Worker:
    """One worker, from its settings to its end."""

    def __init__(self, settings: Settings, policy: Policy, seen: Stamp, most: int) -> None:
        self._settings = settings
        self._most = most
        self._stream = _stream_settings(settings)
        self._guard = Guard()
        self._ledger = ledger_of(settings, self._guard)
        self._unguarded = ledger_of(settings)
        self._names = Pseudonyms(settings.pseudonym_key)
        self._sealer = sealer_of(settings)
        self._following = Following(self._stream, settings.topic_prefix, time.monotonic)
        self._metrics = Metrics()
        self._health = Health(self._metrics, time.monotonic, self._following.lag)
        self._health.hold("ledger", "it was not looked at yet")
        self._clock = None if self._stream.record_clock else ClockWatch(wall, time.monotonic)
        self._parts = self._assemble(policy)
        self._gate = Gate(self._parts)
        self._app = make_app(self._stream, self._handler(), excused=lambda: self._health.excused)
        self._following.follow(self._app)
        inputs = sorted(self._stream.topics)
        self._policies = PolicyWatch(self._parts, settings.policy, inputs, seen)
        self._policies.use(policy)

    def _assemble(self, policy: Policy) -> Parts:
        prefix = self._settings.topic_prefix
        return Parts(
            governor=Governor(
                policy, self._ledger, self._names, self._sealer, tick=time.perf_counter
            ),
            reader=Reader(prefix, self._most, self._names.digest_key),
            writer=Writer(prefix, self._sealer),
            outbox=Outbox(
                self._stream.brokers, security=self._stream.security, record_bytes=_OUTPUT_ROOM
            ),
            metrics=self._metrics,
            health=self._health,
            now=wall,
            tick=time.monotonic,
            late=self._following.late,
            bad_limit=self._settings.dead_letter_limit,
            moved=self._moved,
        )

    def _moved(self) -> str | None:
        return None if self._clock is None else self._clock.off()

    def _handler(self) -> Handler:
        if self._stream.record_clock:
            return Replay(self._parts, self._gate).handle
        return self._gate.handle

    def run(self) -> int:
        """Run until told to stop or until something breaks."""
        code = run_worker(self._app, self._needed())
        if isinstance(self._app.crash_reason, SealedError):
            raise self._app.crash_reason
        return code

    @contextlib.asynccontextmanager
    async def _needed(self) -> AsyncIterator[None]:
        """Open what the worker needs and keep its duties going while it runs."""
        address = self._settings.metrics
        async with Probes(self._metrics, self._health, address.host, address.port):
            tasks = [asyncio.ensure_future(self._do(duty)) for duty in self._duties()]
            try:
                async with self._parts.outbox:
                    yield
            finally:
                await _end(tasks)
                await self._ledger.close()
                await self._unguarded.close()

    def _duties(self) -> list[Duty]:
        watch = LedgerWatch(
            self._parts,
            self._unguarded,
            self._guard,
            restore=self._restore,
            begun=lambda: has_begun(self._settings),
            applied=self._following.applied,
            clock=self._clock,
        )
        duties: list[Duty] = [
            watch.run,
            self._policies.run,
            Tally(self._parts, self._ledger).run,
            self._report,
        ]
        if not self._stream.record_clock:
            duties += [Waker(self._gate).run, self._follow_others]
        return duties

    async def _do(self, duty: Duty) -> None:
        """Do *duty* for ever; when it fails before the worker stops, so does the worker."""
        try:
            await duty()
        except Exception as error:
            if self._app.should_stop:
                # The client is closed under it, while the worker stops in order.
                log.info("a duty ended as the worker stops: %r", error)
                return
            log.exception("a duty failed")
            await self._app.crash(error)

    async def _restore(self, source: Source) -> None:
        def told(progress: Progress) -> None:
            words = f"being restored: {progress.records} records read, now {progress.topic}"
            self._health.hold("ledger", words)

        policy = self._parts.governor.policy
        rebuild = Rebuild(self._settings, policy, self._unguarded, self._names, self._sealer, told)
        await rebuild.run(source)

    async def _report(self) -> None:
        """Tell health and metrics every second how far the partitions have come.

        Also whether the gate is held: whoever else asks may be waiting for the broker.
        """
        while True:
            await asyncio.sleep(1.0)
            owned = self._following.assigned()
            self._health.assigned(None if owned is None else len(owned))
            self._metrics.set_lag(self._following.lags())
            self._gate.closed()

    async def _follow_others(self) -> None:
        """Look every second how far the other workers have come; one that cannot tell is late."""
        while True:
            await asyncio.sleep(1.0)
            try:
                async with asyncio.timeout(_ANSWER_WITHIN):
                    await self._following.look_at_others()
            except (KafkaError, TimeoutError) as error:
                log.debug("the group does not answer: %r", error)

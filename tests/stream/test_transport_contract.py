"""The names of Faust, mode and aiokafka that governor leans on are what it takes them for."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiokafka
import aiokafka.client
import mode
import pytest
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState, TopicPartitionState
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from faust import App, Channel, Stream
from faust.app.base import BootStrategy
from faust.streams import _CStreamIterator
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import MethodQueue, QueueServiceThread, ServiceThread

from governor.stream.fetch import Fetch, Lane, Partition
from governor.stream.repair import repair_client
from governor.stream.settings import StreamSettings
from governor.stream.transport import Consumer
from governor.stream.worker import consumer_of, make_app


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("package", "expected"),
    [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0"), ("mode-streaming", "0.7.1")],
)
def test_the_versions_are_those_that_were_read(package: str, expected: str) -> None:
    assert version(package) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (base.Consumer._drain_messages, ["self", "fetcher"]),
        (base.Consumer.commit, ["self", "topics", "start_new_transaction"]),
        (base.Consumer.force_commit, ["self", "topics", "start_new_transaction"]),
        (base.Consumer.stop_flow, ["self"]),
        (base.Consumer.resume_flow, ["self"]),
        (base.Consumer.perform_seek, ["self"]),
        (base.Consumer.on_partitions_revoked, ["self", "revoked"]),
        (base.Consumer.on_partitions_assigned, ["self", "assigned", "generation_id"]),
        (base.Consumer.verify_event_path, ["self", "now", "tp"]),
        (base.ThreadDelegateConsumer._commit, ["self", "offsets"]),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (driver.AIOKafkaConsumerThread._ensure_consumer, ["self"]),
        (driver.AIOKafkaConsumerThread.commit, ["self", "offsets"]),
        (QueueServiceThread.call_thread, ["self", "fun", "args", "kwargs"]),
        (MethodQueue.__init__, ["self", "num_workers", "kwargs"]),
        (Channel.put, ["self", "value"]),
        (Stream.noack, ["self"]),
        (GroupCoordinator.check_errors, ["self"]),
        (aiokafka.AIOKafkaConsumer.seek, ["self", "partition", "offset"]),
        (aiokafka.AIOKafkaConsumer.seek_to_beginning, ["self", "partitions"]),
        (aiokafka.AIOKafkaConsumer.committed, ["self", "partition"]),
        (aiokafka.AIOKafkaConsumer.end_offsets, ["self", "partitions"]),
        (aiokafka.AIOKafkaConsumer.getmany, ["self", "partitions", "timeout_ms", "max_records"]),
        (AIOKafkaConnection.send, ["self", "request", "expect_response"]),
        (AIOKafkaConnection._send_sasl_token, ["self", "payload", "expect_response"]),
        (AIOKafkaConnection.close, ["self", "reason", "exc"]),
        (aiokafka.AIOKafkaProducer.send_batch, ["self", "batch", "topic", "partition"]),
        (aiokafka.AIOKafkaProducer.create_batch, ["self"]),
        (aiokafka.AIOKafkaProducer.partitions_for, ["self", "topic"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_function_takes_what_it_is_given(function: Any, expected: list[str]) -> None:
    assert parameters(function) == expected


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (driver.Consumer, ["flow_active", "consumer_stopped_errors"]),
        (driver.AIOKafkaConsumerThread, ["_consumer"]),
        (QueueServiceThread, ["_method_queue", "method_queue", "set_shutdown"]),
        (App, ["transport", "topics", "on_start", "consumer", "channel", "topic", "agent"]),
        (BootStrategy, ["enable_kafka_producer", "enable_web"]),
        (Channel, ["subscriber_count"]),
        (Fetcher, ["error_future"]),
        (SubscriptionState, ["subscription"]),
        (Assignment, ["tps", "state_value"]),
        (TopicPartitionState, ["position", "has_valid_position"]),
        (mode, ["CrashingSupervisor"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_name_is_there(owner: Any, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (GroupCoordinator.__init__, ["_pending_exception", "_coordination_task"]),
        (TopicPartitionState.__init__, ["highwater", "lso", "timestamp"]),
        (aiokafka.AIOKafkaConsumer.__init__, ["_subscription"]),
        (aiokafka.AIOKafkaConsumer.start, ["_coordinator", "_fetcher"]),
        (aiokafka.client.AIOKafkaClient.bootstrap, ["_sync_task", "_md_synchronizer"]),
        (base.Consumer.__init__, ["can_resume_flow"]),
        (ServiceThread.__init__, ["thread_loop", "parent_loop"]),
        (mode.Service.__init__, ["_shutdown"]),
        (Recovery._resume_streams, ["perform_seek", "resume_flow"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_an_attribute_is_made_where_it_is_expected(function: Any, names: list[str]) -> None:
    source = inspect.getsource(function)
    assert [name for name in names if name not in source] == []


def test_faust_seeks_before_it_lets_the_flow_go_on() -> None:
    source = inspect.getsource(Recovery._resume_streams)
    assert source.index("perform_seek()") < source.index("flow_control.resume()")
    assert source.index("flow_control.resume()") < source.index("consumer.resume_flow()")


def test_the_stream_iterator_is_the_compiled_one() -> None:
    assert _CStreamIterator is not None


def test_partitions_of_the_three_kinds_are_equal() -> None:
    kinds = (Partition("t", 1), TP("t", 1), aiokafka.TopicPartition("t", 1))
    assert len(set(kinds)) == 1


@pytest.mark.parametrize("name", ["_watch_coordination", "_watch_progress", "_watch_commits"])
def test_a_watchdog_runs_from_the_consumers_start(name: str) -> None:
    assert isinstance(inspect.getattr_static(Consumer, name), mode.services.ServiceTask)


class GoneTransport:
    """A connection's writer as uvloop leaves it when the other side has gone."""

    closed = False

    def write(self, _: bytes) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("name", ["send", "_send_sasl_token"])
async def test_a_write_to_a_connection_that_is_gone_fails_as_the_client_expects(name: str) -> None:
    repair_client()
    repair_client()
    reasons: list[CloseReason] = []
    connection = AIOKafkaConnection("127.0.0.1", 9, on_close=lambda _, why: reasons.append(why))
    connection._writer = writer = GoneTransport()
    connection._reader, connection._versions = asyncio.StreamReader(), {}
    connection._read_task = asyncio.get_running_loop().create_future()
    given = MetadataRequest(None) if name == "send" else b"token"
    with pytest.raises(KafkaConnectionError):
        getattr(connection, name)(given)
    assert writer.closed
    assert reasons == [CloseReason.CONNECTION_BROKEN]


@pytest.mark.parametrize("told_to_stop", [True, False])
async def test_only_a_worker_that_is_told_to_stop_may_be_cancelled_in_a_rebalance_without_a_crash(
    tmp_path: Path, *, told_to_stop: bool
) -> None:
    async def handle(_: Fetch) -> None: ...

    topics = {"candidates": Lane.CANDIDATES}
    settings = StreamSettings(brokers="127.0.0.1:1", group="g", topics=topics, data=tmp_path)
    app = make_app(settings, handle)
    app.rebalancing = True
    fetcher = base.Fetcher(app)
    await fetcher.start()
    for _ in range(10):
        await asyncio.sleep(0)
    if told_to_stop:
        app._stopped.set()
    await fetcher.stop()
    consumer_of(app)._thread.thread_loop.close()
    assert isinstance(fetcher.crash_reason, asyncio.CancelledError) is not told_to_stop

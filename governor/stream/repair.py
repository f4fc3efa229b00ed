"""Repairs of the Kafka client that must be in place before it connects."""

from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


def repair_client() -> None:
    """Let a write to a connection that is gone fail in the way that the client expects.

    uvloop raises RuntimeError there, asyncio OSError or nothing. The client catches only the
    latter, so the task that refreshes its metadata would die, and with it, without a word, every
    commit, heartbeat and publication after a broker's restart (aiokafka #1038).
    """
    for name in ("send", "_send_sasl_token"):
        original = getattr(AIOKafkaConnection, name)
        if not hasattr(original, "__wrapped__"):
            setattr(AIOKafkaConnection, name, _failing_as_expected(original))


def _failing_as_expected(original: Any) -> Any:
    @wraps(original)
    def send(self: AIOKafkaConnection, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(
                f"Connection at {self.host}:{self.port} broken: {error}"
            ) from error

    return send

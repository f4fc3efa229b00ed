"""Real servers for tests: a Kafka broker and a Redis, owned by the test that starts them."""

from tests.servers.kafka import KafkaServer
from tests.servers.process import ServerUnavailableError
from tests.servers.redis import RedisServer

__all__ = ["KafkaServer", "RedisServer", "ServerUnavailableError"]

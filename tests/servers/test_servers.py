"""The test servers keep what they were given, through kill -9 and restart."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.servers import KafkaServer, RedisServer
from tests.servers.process import ServerFailedError


def produce(kafka: KafkaServer, topic: str, *values: bytes) -> None:
    errors: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    producer.flush(30)
    assert errors == [None] * len(values)


def consume(kafka: KafkaServer, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": f"reads-{topic}",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        consumer.subscribe([topic])
        return [message.value() for message in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()


def test_the_shared_kafka_carries_a_record_through_a_consumer_group(kafka: KafkaServer) -> None:
    kafka.create_topics("carries", partitions=1, retention_ms="-1")
    produce(kafka, "carries", b"one", b"two")
    assert consume(kafka, "carries", 2) == [b"one", b"two"]


def test_kafka_keeps_an_acknowledged_record_over_a_kill(own_kafka: KafkaServer) -> None:
    own_kafka.create_topics("kept", partitions=1)
    produce(own_kafka, "kept", b"before")
    address, killed = own_kafka.bootstrap, own_kafka.pid
    own_kafka.kill()
    assert not own_kafka.running
    own_kafka.start()
    assert own_kafka.bootstrap == address
    assert own_kafka.pid != killed
    produce(own_kafka, "kept", b"after")
    assert consume(own_kafka, "kept", 2) == [b"before", b"after"]


def test_each_test_finds_the_shared_redis_empty(redis_server: RedisServer, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.set("left", "behind")
    redis_server.flush()
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_redis_keeps_what_it_acknowledged_over_a_kill(own_redis: RedisServer) -> None:
    with Redis.from_url(own_redis.url) as client:
        client.set("kept", "yes")
    url = own_redis.url
    own_redis.kill()
    own_redis.start()
    assert own_redis.url == url
    with Redis.from_url(url) as client:
        assert client.get("kept") == b"yes"


def test_a_paused_redis_answers_nothing_until_it_goes_on(own_redis: RedisServer) -> None:
    with Redis.from_url(own_redis.url, socket_timeout=0.2, retry=None) as client:
        client.set("kept", "yes")
        own_redis.pause()
        with pytest.raises(RedisTimeoutError):
            client.get("kept")
        own_redis.resume()
        assert client.get("kept") == b"yes"


def test_a_server_that_cannot_start_says_why(own_redis: RedisServer) -> None:
    twin = RedisServer()
    twin.port = own_redis.port
    try:
        with pytest.raises(ServerFailedError, match="Address already in use"):
            twin.start()
    finally:
        twin.close()

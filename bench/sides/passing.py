"""Plain aiokafka that only passes messages on: as fast as Python gets without deciding anything."""

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def pass_on(broker: str, prefix: str) -> None:
    """Copy `<prefix>candidates` to `<prefix>released` until told to stop."""
    consumer = AIOKafkaConsumer(
        f"{prefix}candidates",
        bootstrap_servers=broker,
        group_id=f"{prefix}group",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, acks="all", linger_ms=20, max_batch_size=65_536
    )
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with consumer, producer:
        while not stopping.is_set():
            found = await consumer.getmany(timeout_ms=200, max_records=2000)
            sent = [
                await producer.send(f"{prefix}released", record.value, record.key)
                for records in found.values()
                for record in records
            ]
            if sent:
                await asyncio.gather(*sent)
                await consumer.commit()


if __name__ == "__main__":
    uvloop.run(pass_on(*sys.argv[1:3]))

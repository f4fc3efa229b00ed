"""Stock Faust that only passes messages on, as its documentation shows it or tuned."""

import asyncio
import sys
import tempfile
from typing import Any

import faust

TUNED = {"producer_linger": 0.02, "producer_max_batch_size": 65_536}


def build(kind: str, broker: str, prefix: str) -> faust.App:
    """Return an app that copies `<prefix>candidates` to `<prefix>released`."""
    tuned = kind == "tuned"
    options: dict[str, Any] = TUNED if tuned else {}
    app = faust.App(
        f"{prefix}app",
        broker=f"kafka://{broker}",
        topic_allow_declare=False,
        topic_disable_leader=True,
        value_serializer="raw",
        web_enabled=False,
        datadir=tempfile.mkdtemp(prefix="governor-bench-"),
        **options,
    )
    source = app.topic(f"{prefix}candidates", key_type=bytes, value_type=bytes)
    target = app.topic(f"{prefix}released", key_type=bytes, value_type=bytes)

    if tuned:

        @app.agent(source)  # type: ignore[untyped-decorator]
        async def pass_on_many(stream: faust.StreamT) -> None:
            async for events in stream.take_events(500, within=0.05):
                sent = [await target.send(key=event.key, value=event.value) for event in events]
                await asyncio.gather(*sent)
    else:

        @app.agent(source)  # type: ignore[untyped-decorator]
        async def pass_on(stream: faust.StreamT) -> None:
            async for event in stream.events():
                await target.send(key=event.key, value=event.value)

    return app


if __name__ == "__main__":
    name, address, topic_prefix = sys.argv[1:4]
    loop = ["--loop", "uvloop"] if name == "tuned" else []
    sys.argv = [sys.argv[0], *loop, "worker", "-l", "error", "--without-web"]
    build(name, address, topic_prefix).main()

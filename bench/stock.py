"""The other side: stock Faust that only passes messages on, as its documentation shows or tuned."""

import asyncio
import sys
import tempfile

import faust


def build(kind: str, broker: str, prefix: str) -> faust.App:
    """Return an app that copies `<prefix>outreach.candidates` to `<prefix>passed`."""
    app = faust.App(
        f"{prefix}{kind}",
        broker=f"kafka://{broker}",
        topic_allow_declare=False,
        topic_disable_leader=True,
        value_serializer="raw",
        web_enabled=False,
        datadir=tempfile.mkdtemp(prefix="governor-bench-"),
        **({"producer_linger": 0.02, "producer_max_batch_size": 65_536} if kind == "tuned" else {}),
    )
    source = app.topic(f"{prefix}outreach.candidates", key_type=bytes, value_type=bytes)
    target = app.topic(f"{prefix}passed", key_type=bytes, value_type=bytes)

    if kind == "tuned":

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
    sys.argv = [sys.argv[0], "worker", "-l", "error", "--without-web"]
    build(name, address, topic_prefix).main()

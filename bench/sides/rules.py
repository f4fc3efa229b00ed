"""The idiomatic Faust app with the same rules: what a capable team would write without governor.

Batches by `take_events`, one pipelined round trip a batch with one script a candidate, outputs by
`topic.send`, Faust's own Prometheus monitor. It finds repeats by message id. It does not survive a
crash between Redis and Kafka (a release is counted and never sent), acknowledges what failed, and
its decisions name values but neither windows nor when somebody becomes eligible again.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import faust
from faust.sensors.prometheus import setup_prometheus_sensors
from redis.asyncio import Redis

from bench.load import Send
from bench.sides.stock import TUNED

SCRIPT: Final = Path(__file__).with_name("rules.lua").read_text()
CAPS: Final = {
    "per-hour": 20,
    "per-day": 40,
    "per-week": 60,
    "calendar-day": 40,
    "per-topic": 15,
    "per-campaign": 30,
}
HALF_LIFE: Final = 3 * 86_400_000
CEILING: Final = 100.0
ALLOWED: Final = (clock.min, clock.max)
ZONE: Final = ZoneInfo("UTC")
_CHANNELS = {"email": 0.1}
_DEPTH = {"browsing_history": 2}
_PERSON = "b:{%s}"
_REMEMBER = """
for _, home in ipairs(KEYS) do
  redis.call('HSET', home, 'consent', 'grant', 'pressure', ARGV[1], 'pressed_at', ARGV[2])
  for place = 3, #ARGV, 4 do
    local message, topic, campaign, at = unpack(ARGV, place, place + 3)
    redis.call('ZADD', home .. ':sends', at, message)
    redis.call('ZADD', home .. ':t:' .. topic, at, message)
    redis.call('ZADD', home .. ':c:' .. campaign, at, message)
  end
end
"""


def keys_of(person: str, topic: str, campaign: str) -> list[str]:
    """Return the keys that the script asks for."""
    home = _PERSON % person
    return [home, f"{home}:sends", f"{home}:t:{topic}", f"{home}:c:{campaign}"]


async def remember(redis: Redis, people: Sequence[str], sends: Sequence[Send], now: int) -> None:
    """Write down that *people* consented and got *sends*."""
    pressure = sum(send.exposure * 2 ** ((send.at - now) / HALF_LIFE) for send in sends)
    rows = [word for send in sends for word in (send.message, send.topic, send.campaign, send.at)]
    keys = [_PERSON % person for person in people]
    await redis.eval(_REMEMBER, len(keys), *keys, str(pressure), now, *rows)


def exposure_of(variant: dict[str, Any]) -> float:
    """Return how much a variant weighs where it is not a repeat."""
    loud = _CHANNELS.get(variant["channel"], 1.0)
    deep = max((_DEPTH.get(use["attribute"], 5) / 5 for use in variant["uses"]), default=0.0)
    return 20 * loud * (1 + 0.6 * deep) * (1 + 0.8 * loud * deep)


def build(broker: str, address: str, prefix: str) -> faust.App:
    """Return an app that judges `<prefix>candidates`."""
    app = faust.App(
        f"{prefix}app",
        broker=f"kafka://{broker}",
        topic_allow_declare=False,
        topic_disable_leader=True,
        value_serializer="json",
        web_enabled=False,
        datadir=tempfile.mkdtemp(prefix="governor-bench-"),
        **TUNED,
    )
    setup_prometheus_sensors(app)
    source = app.topic(f"{prefix}candidates", key_type=bytes, value_serializer="json")
    released = app.topic(f"{prefix}released", key_type=bytes, value_serializer="json")
    decisions = app.topic(f"{prefix}decisions", key_type=bytes, value_serializer="json")
    redis = Redis.from_url(address)

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def judge(stream: faust.StreamT) -> None:
        script = await redis.script_load(SCRIPT)
        async for events in stream.take_events(500, within=0.05):
            now = time.time_ns() // 1_000_000
            found = await ask(redis, script, [event.value for event in events], now)
            sent = []
            for event, values in zip(events, found, strict=True):
                decision = decide(event.value, values, now)
                if decision["outcome"] == "release":
                    value = release(event.value)
                    sent.append(await released.send(key=event.key, value=value))
                sent.append(await decisions.send(key=event.key, value=decision))
            await asyncio.gather(*sent)

    return app


async def ask(redis: Redis, script: str, values: Sequence[dict[str, Any]], now: int) -> list[Any]:
    """Run the script for every candidate in one round trip."""
    midnight = datetime.fromtimestamp(now / 1000, ZONE).replace(hour=0, minute=0, second=0)
    since = int(midnight.timestamp()) * 1000
    awake = int(ALLOWED[0] <= datetime.fromtimestamp(now / 1000, ZONE).time() <= ALLOWED[1])
    async with redis.pipeline(transaction=False) as pipe:
        for value in values:
            keys = keys_of(value["person"], value["topic"], value["campaign"])
            exposure = exposure_of(value["variants"][0])
            more = (now, value["id"], since, exposure, HALF_LIFE, CEILING, awake)
            pipe.evalsha(script, 4, *keys, *more)
        return list(await pipe.execute())


def decide(value: dict[str, Any], found: Sequence[bytes | int], now: int) -> dict[str, Any]:
    """Return the decision record on one candidate."""
    code = found[0].decode() if isinstance(found[0], bytes) else "unknown"
    observed = dict(zip(CAPS, found[3:], strict=False))
    return {
        "message": value["id"],
        "person": value["person"],
        "campaign": value["campaign"],
        "outcome": "release" if code == "released" else "suppress",
        "code": None if code == "released" else code,
        "decided_at": datetime.fromtimestamp(now / 1000, UTC).isoformat(),
        "findings": [
            {"rule": "caps", "id": name, "limit": limit, "observed": observed.get(name)}
            for name, limit in CAPS.items()
        ],
        "intrusiveness": {"after": float(found[2]), "ceiling": CEILING} if found[2:] else None,
    }


def release(value: dict[str, Any]) -> dict[str, Any]:
    """Return what the sender is told: the candidate with its one variant at the top."""
    variant = value["variants"][0]
    return {**value, "variants": None, **variant, "id": value["id"], "variant": variant["id"]}


if __name__ == "__main__":
    kafka, store, topic_prefix = sys.argv[1:4]
    sys.argv = [sys.argv[0], "--loop", "uvloop", "worker", "-l", "error", "--without-web"]
    build(kafka, store, topic_prefix).main()

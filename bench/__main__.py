"""`make bench`: governor's worker beside stock Faust, on one real Kafka and one real Redis."""

import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.table import Table

from bench import load
from governor.config.policy_file import load_policy
from tests.servers import KafkaServer, RedisServer

HERE = Path(__file__).parent
PARTITIONS = 4
TIMEOUT = 240.0


@dataclass
class Side:
    """One way of doing the work: its command, and the topic in which its results are counted."""

    name: str
    counted: str
    results: int
    command: list[str]
    env: Mapping[str, str]


def main() -> int:
    """Run all sides in turn and print medians and ratios."""
    short = os.environ.get("BENCH") == "short"
    rounds, count, population = (3, 8_000, 2_000) if short else (5, 40_000, 20_000)
    console = Console()
    with KafkaServer() as kafka, RedisServer() as redis:
        rates: dict[str, list[float]] = {}
        for number in range(rounds):
            chosen = load.people(population, count, seed=number)
            prefix = f"bench{number}."
            _prepare(kafka, redis.url, prefix, chosen)
            for side in _sides(kafka.bootstrap, redis.url, prefix, count):
                rate = _measure(kafka.bootstrap, side)
                rates.setdefault(side.name, []).append(rate)
                console.print(f"round {number + 1}/{rounds}  {side.name:<22} {rate:9,.0f} a second")
    _report(console, rates, count, population)
    return 0


def _environment(bootstrap: str, redis: str, prefix: str) -> dict[str, str]:
    return {
        **os.environ,
        "GOVERNOR_BROKERS": bootstrap,
        "GOVERNOR_REDIS": redis,
        "GOVERNOR_TOPIC_PREFIX": prefix,
        "GOVERNOR_POLICY": str(HERE / "policy.yaml"),
        "GOVERNOR_PSEUDONYM_KEY": base64.b64encode(b"b" * 32).decode(),
        "GOVERNOR_GROUP": f"{prefix}governor",
        "GOVERNOR_METRICS": "127.0.0.1:0",
        "GOVERNOR_DATA": tempfile.mkdtemp(prefix="governor-bench-"),
        "GOVERNOR_LOG": "error",
    }


def _prepare(kafka: KafkaServer, redis: str, prefix: str, chosen: list[str]) -> None:
    """Make the topics and fill them, so that every side finds the same work waiting."""
    bootstrap = kafka.bootstrap
    subprocess.run(
        [sys.executable, "-m", "governor", "topics", "create", "--partitions", str(PARTITIONS)],
        env=_environment(bootstrap, redis, prefix),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    kafka.create_topics(f"{prefix}passed", partitions=PARTITIONS)
    load.produce(bootstrap, f"{prefix}people.consents", load.consents(chosen))
    load.produce(bootstrap, f"{prefix}outreach.candidates", load.candidates(chosen))


def _sides(bootstrap: str, redis: str, prefix: str, count: int) -> list[Side]:
    env = _environment(bootstrap, redis, prefix)
    run = [sys.executable, "-m", "governor", "run"]
    return [Side("governor", f"{prefix}outreach.decisions", count, run, env)] + [
        Side(
            f"stock Faust, {kind}",
            f"{prefix}passed",
            count * place,
            [sys.executable, "-m", "bench.stock", kind, bootstrap, prefix],
            env,
        )
        for place, kind in enumerate(("tuned", "naive"), 1)
    ]


def _measure(bootstrap: str, side: Side) -> float:
    """Run one side until all results are there; return its rate between 10 % and 90 % of them."""
    counter = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-counter"})
    begun = _written(counter, side.counted)
    marks: list[tuple[float, int]] = []
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(side.command, env=dict(side.env), stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + TIMEOUT
        while True:
            done = _written(counter, side.counted)
            marks.append((time.monotonic(), done - begun))
            if done >= side.results:
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{side.name}: {done} of {side.results} results, then nothing")
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(60)
        counter.close()
    if (final := marks[-1][1]) != side.results - begun:
        raise RuntimeError(f"{side.name}: {final} results for {side.results - begun} messages")
    low = next(mark for mark in marks if mark[1] >= final * 0.1)
    high = next(mark for mark in marks if mark[1] >= final * 0.9)
    return (high[1] - low[1]) / max(high[0] - low[0], 0.05)


def _written(counter: Consumer, topic: str) -> int:
    return sum(
        counter.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
        for number in range(PARTITIONS)
    )


def _report(
    console: Console, rates: Mapping[str, list[float]], count: int, population: int
) -> None:
    base = rates["governor"]
    table = Table("side", "median /s", "least", "most", "governor / side", title="events a second")
    sides = {}
    for name, values in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(base, values, strict=True)]
        middle, ratio = statistics.median(values), statistics.median(ratios)
        sides[name] = {"rates": values, "median": middle, "governor_over_it": ratio}
        table.add_row(
            name,
            f"{middle:,.0f}",
            f"{min(values):,.0f}",
            f"{max(values):,.0f}",
            f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        )
    console.print(table)
    result = {
        "candidates": count,
        "people": population,
        "policy": load_policy(HERE / "policy.yaml").revision,
        "machine": {"cpus": os.cpu_count(), "kind": platform.machine(), "python": sys.version},
        "sides": sides,
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / "throughput.json"
    path.write_text(json.dumps(result, indent=1))
    console.print(f"written to {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    sys.exit(main())

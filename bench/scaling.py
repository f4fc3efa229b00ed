"""`python -m bench.scaling`: what a second worker on the same machine brings."""

import statistics
import sys
import time
from typing import Final

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient
from rich.console import Console

from bench.stage import GOVERNOR, Run, Side, Stage, staged

_ROUNDS: Final = 5
_CANDIDATES: Final = 40_000
_BLOCK: Final = 4_000
_PEOPLE: Final = 20_000
_PATIENCE: Final = 60.0


def main() -> int:
    """Measure one worker and two in turn, and print each round and the ratio; ends with 0."""
    console, ratios = Console(soft_wrap=True), []
    with staged([GOVERNOR]) as (stage, [one]):
        _work(stage, one, "warm")
        for number in range(_ROUNDS):
            alone = _work(stage, one, f"one-{number}")
            both = _beside_another(stage, one, f"two-{number}")
            ratios.append(both.rate / alone.rate)
            console.print(
                f"one worker {alone.rate:,.0f} a second, two {both.rate:,.0f}: {ratios[-1]:.2f}"
            )
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    console.print(f"two workers / one: {statistics.median(ratios):.2f} {spread}")
    return 0


def _beside_another(stage: Stage, one: Side, generation: str) -> Run:
    another = stage.beside(one)
    another.start()
    try:
        _wait_for_members(stage, one, 2)
        _work(stage, one, f"{generation}-warm")
        return _work(stage, one, generation)
    finally:
        another.stop()
        _wait_for_members(stage, one, 1)


def _work(stage: Stage, side: Side, generation: str) -> Run:
    return stage.measure(side, stage.ready(_PEOPLE, _CANDIDATES, _BLOCK, generation, also=False))


def _wait_for_members(stage: Stage, side: Side, count: int) -> None:
    """Wait until so many workers of the group of *side* have shared its partitions out."""
    group = stage.environment(side.prefix)["GOVERNOR_GROUP"]
    admin = AdminClient({"bootstrap.servers": stage.kafka.bootstrap, "log_level": 0})
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        [asked] = admin.describe_consumer_groups([group]).values()
        found = asked.result()
        if found.state == ConsumerGroupState.STABLE and len(found.members) == count:
            return
        time.sleep(0.2)
    raise RuntimeError(f"{group}: not {count} members within {_PATIENCE:.0f} s")


if __name__ == "__main__":
    sys.exit(main())

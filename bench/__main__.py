"""`make bench`: governor's worker beside what people would otherwise use, and the gate on it."""

import argparse
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from rich.console import Console

from bench import gate, ledger, simulation
from bench.chart import draw
from bench.machine import describe, load
from bench.report import show
from bench.results import Result, compare_steps, goals
from bench.rounds import Form, measure
from bench.stage import AIOKAFKA, GOVERNOR, NAIVE, POLICY, RULES, TUNED
from bench.step import Steps
from governor.config.policy_file import load_policy
from tests.servers import RedisServer

RESULTS: Final = Path(__file__).with_name("results")
SHORT: Final = Form(
    name="short",
    rounds=5,
    seconds=2.5,
    block=4_000,
    populations=(20_000,),
    sides=(GOVERNOR, RULES, TUNED, AIOKAFKA),
    latency_rounds=1,
    latency_seconds=6.0,
    step_seconds=1.0,
    many=100_000,
    events=(),
)
FULL: Final = Form(
    name="full",
    rounds=5,
    seconds=4.0,
    block=4_000,
    populations=(20_000, 1_000_000),
    sides=(GOVERNOR, RULES, TUNED, NAIVE, AIOKAFKA),
    latency_rounds=3,
    latency_seconds=12.0,
    step_seconds=3.0,
    many=1_000_000,
    events=(500_000, 1_000_000),
)


def main() -> int:
    """Measure, print, write down; with `--gate` hold the ratios to those on record."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--short", action="store_true", help="three minutes (or BENCH=short)")
    parser.add_argument("--gate", action="store_true", help="fail when a ratio has fallen")
    parser.add_argument("--record", action="store_true", help="put the ratios on record")
    chosen = parser.parse_args()
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    form = SHORT if chosen.short or chosen.gate or os.environ.get("BENCH") == "short" else FULL
    console = Console(soft_wrap=True)
    result = _run(form, console)
    if chosen.record:
        gate.record(result)
        console.print(f"on record in {gate.BASELINE.name}")
    return _hold(result, form, console) if chosen.gate else 0


def _hold(result: Result, form: Form, console: Console) -> int:
    """Compare with what is on record, with a second run where the first one falls short."""
    verdicts = gate.hold(result)
    if not all(verdict.holds for verdict in verdicts):
        for verdict in verdicts:
            console.print(str(verdict))
        console.print("bench: a ratio has fallen; once more, to tell it from noise")
        verdicts = gate.better(verdicts, gate.hold(_run(form, console)))
    for verdict in verdicts:
        console.print(str(verdict))
    fallen = sum(not verdict.holds for verdict in verdicts)
    if fallen:
        console.print(f"bench: {fallen} of {len(verdicts)} ratios fell below what is on record")
    return 1 if fallen else 0


def _run(form: Form, console: Console) -> Result:
    began = time.monotonic()
    result = Result(form.name, describe(), load_policy(POLICY).revision, form.rounds)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{form.name}.json"
    for part in (_rounds, _store, _simulations):
        part(form, result, console)
        result.load_after, result.seconds = load(), round(time.monotonic() - began, 1)
        result.goals = goals(result)
        # A long run that breaks off leaves what it had.
        path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
        console.print(f"after {result.seconds:.0f} s: {path.name} written")
    draw(result, path.with_suffix(".svg"))
    show(result, console)
    console.print(f"written to {os.path.relpath(path)} and .svg")
    return result


def _rounds(form: Form, result: Result, console: Console) -> None:
    measure(form, result, console)


def _store(form: Form, result: Result, console: Console) -> None:
    console.print("the decision step alone, then the ledger: memory, bursts, many people")
    uvloop.run(_on_redis(form, result))


def _simulations(form: Form, result: Result, console: Console) -> None:
    if not form.events:
        return
    console.print("simulations")
    log = simulation.over_the_email_log()
    result.simulated = [log] if log is not None else []
    result.simulated += [simulation.over_made_up_events(count) for count in form.events]


async def _on_redis(form: Form, result: Result) -> None:
    with RedisServer() as redis:
        steps = Steps(redis)
        for number in range(form.rounds + 1):
            for way in steps.ways:
                gc.collect()
                seconds = form.step_seconds if number else 0.2
                found = await steps.measure(way, 20_000, f"s{number}", seconds)
                if number:
                    result.steps.setdefault(way, []).append(found)
        await steps.close()
        compare_steps(result)
        result.memory_bytes = await ledger.memory()
        result.most_allowed = await ledger.most_allowed(redis, 8.0)
        result.flat = await ledger.flat(redis, 1_000, form.many, form.rounds)


if __name__ == "__main__":
    sys.exit(main())

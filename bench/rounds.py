"""The rounds: every side in turn on the same candidates, each round proved."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from rich.console import Console

from bench.latency import latency
from bench.proof import agreement, prove
from bench.results import Population, Result, compare
from bench.stage import DECIDING, GOVERNOR, RULES, Records, Side, Stage, staged

_MOST: Final = 60_000


class Form(msgspec.Struct, frozen=True):
    """How much is measured: `seconds` is how long a side works in a round, about,
    in whole blocks."""

    name: str
    rounds: int
    seconds: float
    block: int
    populations: tuple[int, ...]
    sides: tuple[str, ...]
    latency_rounds: int
    latency_seconds: float
    step_seconds: float
    many: int
    events: tuple[int, ...]


def measure(form: Form, result: Result, console: Console) -> None:
    """Measure all populations of *form* into *result*."""
    for people in form.populations:
        population = Population(people)
        result.populations.append(population)
        with staged(form.sides) as (stage, sides):
            stage.introduce([f"idle-{number:07d}" for number in range(people)], also=False)
            counts = _first_round(stage, sides, people, form)
            for number in range(form.rounds):
                # Another side begins every round.
                turned = [*sides[number % len(sides) :], *sides[: number % len(sides)]]
                records = stage.ready(people, max(counts.values()), form.block, f"r{number}")
                _round(stage, turned, population, counts, records, console)
            population.idle_cores = stage.idle(sides)
            compare(population)
            if people == form.populations[0]:
                _latencies(stage, sides, population, form)


def _first_round(stage: Stage, sides: Sequence[Side], people: int, form: Form) -> dict[str, int]:
    """Let every side warm up; return how many candidates each gets to be busy long enough.

    The first block is not counted: a cold side would get too few, and their figures would be noise.
    """
    rates: dict[str, float] = {}
    for records in (stage.ready(people, form.block, form.block, f"warm{at}") for at in range(2)):
        rates = {side.name: stage.measure(side, records).rate for side in sides}
    return {name: _whole(rate * form.seconds, form.block) for name, rate in rates.items()}


def _whole(wanted: float, block: int) -> int:
    return min(max(round(wanted / block), 1) * block, _MOST)


def _round(
    stage: Stage,
    sides: Sequence[Side],
    population: Population,
    counts: Mapping[str, int],
    records: Records,
    console: Console,
) -> None:
    begun = {topic: stage.ends(topic) for side in sides for topic in (side.writes, side.released)}
    for side in sides:
        run = stage.measure(side, records[: counts[side.name]])
        population.runs.setdefault(side.name, []).append(run)
        console.print(
            f"{population.people:,} people: {side.name:<25} {run.rate:9,.0f} a second,"
            f" {run.cpu_us:6.0f} us of its processor time each; load {run.load:g}"
        )
    outcomes = {}
    for side in sides:
        if side.name in DECIDING:
            proof, outcomes[side.name] = prove(stage, side, records[: counts[side.name]], begun)
            population.proofs.append(proof)
    population.proofs[-1].agreeing = agreement(outcomes[GOVERNOR], outcomes[RULES])


def _latencies(stage: Stage, sides: Sequence[Side], population: Population, form: Form) -> None:
    """Load both sides that decide with half of what the Faust app with rules can do at most."""
    per_second = max(run.rate for run in population.runs[RULES]) / 2
    for number in range(form.latency_rounds):
        count = int(per_second * form.latency_seconds)
        records = stage.ready(population.people, count, form.block, f"l{number}")
        for side in sides:
            if side.name in DECIDING:
                found = latency(stage, side, records, per_second)
                population.latencies.setdefault(side.name, []).append(found)

"""What came of a run: medians, ratios with their spread, and the goals that they are held to."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bench.latency import Latency
from bench.ledger import Flat, Most
from bench.machine import Machine
from bench.proof import Proof
from bench.simulation import Simulated
from bench.stage import AIOKAFKA, GOVERNOR, NAIVE, RULES, TUNED, Run
from bench.step import MOVING, SLIDING, STEP, Step


class Ratio(msgspec.Struct):
    """Governor over another side, or what else is compared, round by round.

    `per_cpu` compares what a second of the side's own processor time brings, which other work on
    the machine hardly moves.
    """

    median: float
    least: float
    most: float
    per_cpu: float | None = None


class Goal(msgspec.Struct):
    """What was set out to be reached; `met` None: not measured in this form."""

    name: str
    wanted: str
    found: float | None
    met: bool | None


class Population(msgspec.Struct):
    """What all sides did with so many people in the ledger.

    `idle_cores` is the processor time that all of them take together while none has anything to do.
    """

    people: int
    runs: dict[str, list[Run]] = {}
    proofs: list[Proof] = []
    ratios: dict[str, Ratio] = {}
    latencies: dict[str, list[Latency]] = {}
    idle_cores: float = 0.0


class Result(msgspec.Struct):
    """A whole run."""

    form: str
    machine: Machine
    policy: str
    rounds: int
    populations: list[Population] = []
    steps: dict[str, list[Step]] = {}
    step_ratios: dict[str, Ratio] = {}
    memory_bytes: dict[int, float] = {}
    flat: Flat | None = None
    most_allowed: Most | None = None
    simulated: list[Simulated] = []
    goals: list[Goal] = []
    load_after: float = 0.0
    seconds: float = 0.0


def compare(population: Population) -> None:
    """Work out governor's ratio to every other side, from the runs of the same round."""
    ours = population.runs[GOVERNOR]
    for name, theirs in population.runs.items():
        if name != GOVERNOR:
            population.ratios[name] = ratio(
                [a.rate / b.rate for a, b in zip(ours, theirs, strict=True)],
                [b.cpu_us / a.cpu_us for a, b in zip(ours, theirs, strict=True)],
            )


def compare_steps(result: Result) -> None:
    """Work out the ratio of governor's decision step to those of `limits`."""
    ours = result.steps[STEP]
    for name in (MOVING, SLIDING):
        both = list(zip(ours, result.steps[name], strict=True))
        result.step_ratios[name] = ratio(
            [a.rate / b.rate for a, b in both],
            [(b.cpu_us + b.redis_us) / (a.cpu_us + a.redis_us) for a, b in both],
        )


def ratio(values: Sequence[float], per_cpu: Sequence[float]) -> Ratio:
    """Return the median of *values* and how far they spread."""
    return Ratio(statistics.median(values), min(values), max(values), statistics.median(per_cpu))


PER_PERSON: Final = 5
"""The length of send log at which a person's bytes are held to the goal."""


def goals(result: Result) -> list[Goal]:
    """Hold what was found to what was wanted."""
    ratios = result.populations[0].ratios
    steps = result.step_ratios
    most, flat = result.most_allowed, result.flat
    p99 = _p99(result.populations[0].latencies)
    log = next((one.cpu_seconds for one in result.simulated if one.what == "e-mail log"), None)
    made = [one.peak_mib for one in result.simulated if one.what == "made-up events"]
    grown = made[1] / made[0] if len(made) > 1 else None
    over = None
    if most is not None and most.most[SLIDING] > most.limit:
        over = float(most.most[STEP] - most.limit)
    settled = result.memory_bytes.get(PER_PERSON)
    return [
        _at_least(f"governor / {RULES}, throughput", _median(ratios, RULES), 8),
        _at_most(f"governor / {RULES}, p99 at half of its most", p99, 0.5),
        _at_least(f"governor / {TUNED}, throughput", _median(ratios, TUNED), 4),
        _at_least(f"governor / {NAIVE}, throughput", _median(ratios, NAIVE), None),
        _at_least(f"governor / {AIOKAFKA}, throughput", _median(ratios, AIOKAFKA), 0.5),
        _at_least(f"decision step / {MOVING}", _median(steps, MOVING), 20),
        _at_least(f"decision step / {SLIDING}", _median(steps, SLIDING), 20),
        _at_most("sends above a rolling cap, where the sliding counter has some", over, 0),
        _at_most(f"bytes of a settled person, {PER_PERSON} sends", settled, 400),
        _at_most("cost among many people / among few", flat.ratio if flat else None, 1.2),
        _at_most("simulate over the e-mail log, core seconds", log, 10),
        _at_most("simulate, peak memory of twice the events", grown, 1.2),
    ]


def _p99(latencies: Mapping[str, Sequence[Latency]]) -> float | None:
    if not latencies:
        return None
    pairs = zip(latencies[GOVERNOR], latencies[RULES], strict=True)
    return statistics.median(ours.p99 / theirs.p99 for ours, theirs in pairs)


def _median(ratios: Mapping[str, Ratio], name: str) -> float | None:
    return ratios[name].median if name in ratios else None


def _at_least(name: str, found: float | None, wanted: float | None) -> Goal:
    if wanted is None:
        return Goal(name, "reported", found, None)
    return Goal(name, f">= {wanted:g}", found, None if found is None else found >= wanted)


def _at_most(name: str, found: float | None, wanted: float) -> Goal:
    return Goal(name, f"<= {wanted:g}", found, None if found is None else found <= wanted)

"""A result on the terminal."""

import statistics

from rich.console import Console
from rich.table import Table

from bench.results import Population, Ratio, Result
from bench.stage import GOVERNOR


def show(result: Result, console: Console) -> None:
    """Print *result*."""
    machine = result.machine
    console.print(
        f"{machine.processor}, {machine.cpus} cores, {machine.memory_gib} GiB, {machine.system};"
        f" load {machine.load:g} before, {result.load_after:g} after;"
        f" policy {result.policy}; {result.seconds:.0f} s"
    )
    for population in result.populations:
        console.print(_sides(population))
        _proofs(population, console)
    steps = Table("way", "median /s", "us here", "us in Redis", title="the decision step alone")
    for way, found in result.steps.items():
        steps.add_row(
            way,
            f"{statistics.median(one.rate for one in found):,.0f}",
            f"{statistics.median(one.cpu_us for one in found):.0f}",
            f"{statistics.median(one.redis_us for one in found):.0f}",
        )
    console.print(steps)
    for name, ratio in result.step_ratios.items():
        console.print(f"governor's step / {name}: {_ratio(ratio)}")
    held = Table("goal", "wanted", "found", "met", title="goals")
    for goal in result.goals:
        met = {None: "-", True: "yes", False: "NO"}[goal.met]
        held.add_row(
            goal.name, goal.wanted, "-" if goal.found is None else f"{goal.found:.3g}", met
        )
    console.print(held)


def _sides(population: Population) -> Table:
    title = f"candidates a second, {population.people:,} people"
    table = Table("side", "median", "least", "most", "us each", "governor / side", title=title)
    for name, runs in population.runs.items():
        rates = [run.rate for run in runs]
        table.add_row(
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}",
            f"{max(rates):,.0f}",
            f"{statistics.median(run.cpu_us for run in runs):.0f}",
            "" if name == GOVERNOR else _ratio(population.ratios[name]),
        )
    return table


def _proofs(population: Population, console: Console) -> None:
    for side in dict.fromkeys(proof.side for proof in population.proofs):
        some = [proof for proof in population.proofs if proof.side == side]
        console.print(
            f"proved of {side}: {sum(proof.decisions for proof in some):,} decisions on"
            f" {sum(proof.candidates for proof in some):,} candidates,"
            f" {sum(proof.released for proof in some):,} released, no cap broken"
        )
    agreeing = [proof.agreeing for proof in population.proofs if proof.agreeing is not None]
    console.print(f"both sides that decide agree on {min(agreeing):.2%} of outcomes or more")
    console.print(f"all sides together, idle, keep {population.idle_cores:.2f} cores busy")
    for side, found in population.latencies.items():
        words = ", ".join(f"{one.p50:.0f} and {one.p99:.0f} ms" for one in found)
        console.print(
            f"latency of {side} at {found[0].per_second:,.0f} a second, p50 and p99: {words}"
        )


def _ratio(ratio: Ratio) -> str:
    per_cpu = "" if ratio.per_cpu is None else f"; {ratio.per_cpu:.2f} per processor second"
    return f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f}){per_cpu}"

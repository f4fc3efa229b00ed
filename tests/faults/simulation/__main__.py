"""Play runs from the command line: `python -m tests.faults.simulation --first 0 --runs 1000`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.faults.mutations import MUTATIONS, SHARED, apply
from tests.faults.simulation.play import Played, load, play

_AT_ONCE = 20


def main() -> int:
    """Play the runs that were asked for; 1 when the oracle objects to any of them."""
    options = _options()
    logging.disable(logging.CRITICAL)
    seeds = range(options.first, options.first + options.runs)
    began, bad, again, excused = time.perf_counter(), 0, 0, 0
    faults: Counter[str] = Counter()
    for played in _play(
        seeds, options.jobs, options.mutation, homes=options.homes or options.mutation in SHARED
    ):
        faults.update(played.faults)
        again += played.report.repeated_releases
        excused += len(played.report.excused)
        if options.runs == 1:
            print(played.report)
        elif played.defects:
            print(f"seed {played.seed}: {played.defects[0]} ({len(played.defects)} defects)")
        bad += bool(played.defects)
        if bad >= options.most:
            break
    took = time.perf_counter() - began
    print(
        f"{len(seeds)} runs from seed {options.first} in {took:.0f} s, {bad} bad,"
        f" {sum(faults.values())} faults, {again} releases repeated, {excused} decisions excused"
    )
    if options.faults:
        print("\n".join(f"{count:7} {name}" for name, count in sorted(faults.items())))
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds; one prints all of it")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--most", type=int, default=10, help="end after so many bad runs")
    parser.add_argument("--faults", action="store_true", help="count what went wrong, and where")
    parser.add_argument("--homes", action="store_true", help="people share households")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="break the product first")
    return parser.parse_args()


def _play(seeds: range, jobs: int, mutation: str | None, *, homes: bool) -> Iterator[Played]:
    if jobs == 1:
        _begin(mutation)
        policy = load(homes=homes)
        for seed in seeds:
            yield play(seed, policy)
        return
    starts = range(seeds.start, seeds.stop, _AT_ONCE)
    parts = [range(start, min(start + _AT_ONCE, seeds.stop)) for start in starts]
    several = partial(_several, homes=homes)
    with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(mutation,)) as pool:
        for done in pool.map(several, parts):
            yield from done


def _begin(mutation: str | None) -> None:
    logging.disable(logging.CRITICAL)
    if mutation is not None:
        apply(mutation)


def _several(seeds: range, *, homes: bool) -> list[Played]:
    policy = load(homes=homes)
    return [play(seed, policy) for seed in seeds]


if __name__ == "__main__":
    sys.exit(main())

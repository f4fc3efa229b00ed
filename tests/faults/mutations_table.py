"""Shows for each deliberate bug what the oracle said of it: run the module.

`--real` runs each on real Kafka and Redis as well, which takes about a minute for each.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.crash import crash, servers
from tests.faults.mutations import MUTATIONS, SHARED

_SIMULATION = [sys.executable, "-m", "tests.faults.simulation", "--runs", "400", "--most", "1"]


def main() -> int:
    """Print the table; 1 when a bug was not noticed in simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--only", nargs="*", default=sorted(MUTATIONS))
    parser.add_argument("--seconds", type=float, default=20.0, help="traffic of each real run")
    options = parser.parse_args()
    missed = 0
    for name in options.only:
        began = time.perf_counter()
        words = _simulated(name)
        missed += not words
        took = time.perf_counter() - began
        print(f"| `{name}` | {words or 'not noticed'} | {took:.0f} s |", flush=True)
    if options.real:
        with servers() as (kafka, redis):
            for name in options.only:
                words = _real(name, kafka.bootstrap, redis.url, options.seconds)
                print(f"| `{name}` | {words or 'not noticed'} |", flush=True)
    return 1 if missed else 0


def _simulated(name: str) -> str | None:
    done = subprocess.run(
        [*_SIMULATION, "--mutation", name], capture_output=True, text=True, check=False
    )
    found = re.search(r"^seed (\d+): ([^:]+)", done.stdout, re.MULTILINE)
    return f"seed {found[1]}, {found[2]}" if found else None


def _real(name: str, brokers: str, redis: str, seconds: float) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            homes = name in SHARED
            outcome = crash(
                brokers, redis, Path(folder), 5, seconds=seconds, mutation=name, homes=homes
            )
        except (AssertionError, ValueError) as error:
            return f"no rest: {str(error).splitlines()[0][:80]}"
    defects = outcome.report.defects
    return f"{len(defects)} defects, first {defects[0][:100]}" if defects else None


if __name__ == "__main__":
    sys.exit(main())

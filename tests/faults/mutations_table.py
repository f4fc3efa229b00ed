"""Shows for each deliberate bug what noticed it: the oracle over runs in virtual time, or a test.

`--real` runs each on real Kafka and Redis as well, which takes about a minute for each.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.crash import crash, servers
from tests.faults.mutations import MUTATIONS, NAMED, SHARED

ROOT = Path(__file__).parents[2]

_SIMULATION = [sys.executable, "-m", "tests.faults.simulation", "--runs", "1000", "--most", "1"]
_TEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def main() -> int:
    """Print the table; 1 when a bug was not noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--only", nargs="*", default=sorted(MUTATIONS))
    parser.add_argument("--seconds", type=float, default=20.0, help="traffic of each real run")
    options = parser.parse_args()
    print("| bug | noticed by | in |\n|---|---|---|", flush=True)
    missed = 0
    for name in options.only:
        began = time.perf_counter()
        words = noticed(name)
        missed += not words
        took = time.perf_counter() - began
        print(f"| `{name}` | {words or '**nothing**'} | {took:.0f} s |", flush=True)
    if options.real:
        print("\n| bug | on real Kafka and Redis |\n|---|---|", flush=True)
        with servers() as (kafka, redis):
            for name in options.only:
                words = _real(name, kafka.bootstrap, redis.url, options.seconds)
                print(f"| `{name}` | {words or 'not noticed in this run'} |", flush=True)
    print(f"{len(options.only) - missed} of {len(options.only)} noticed")
    return 1 if missed else 0


def noticed(name: str) -> str | None:
    """Return what noticed the bug of this *name*, None when nothing did."""
    return _tested(name, NAMED[name]) if name in NAMED else _simulated(name)


def _simulated(name: str) -> str | None:
    done = _run([*_SIMULATION, "--mutation", name])
    found = re.search(r"^seed (\d+): ([^:]+)", done.stdout, re.MULTILINE)
    return f"oracle, seed {found[1]}: {found[2]}" if found else None


def _tested(name: str, test: str) -> str | None:
    """Run the test twice: it has to pass, and with the bug to fail."""
    well = _run([*_TEST, test])
    ill = _run([*_TEST, "-p", "tests.faults.mutated", test], MUTATION=name)
    assert well.returncode == 0, well.stdout
    assert ill.returncode in (0, 1), ill.stdout + ill.stderr
    return f"test: {test.partition('::')[2]}" if ill.returncode else None


def _run(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **more}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


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

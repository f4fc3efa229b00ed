"""How long `governor simulate` takes over a real log, and how much memory over a long one."""

import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from bench.load import TOPICS

ROOT: Final = Path(__file__).parents[1]
CONFIG: Final = ROOT / "config" / "email-log"
SHARED: Final = Path(os.environ.get("GOVERNOR_SHARED") or ROOT.parent / "shared")
LOG: Final = SHARED / "data" / "email_log.csv.gz"
_PEOPLE = 20_000
_FROM = datetime(2026, 1, 1, 8, tzinfo=UTC)


class Simulated(msgspec.Struct):
    """One run: what it took, start and reading included. `cpu_seconds` is of one core."""

    what: str
    events: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def over_the_email_log() -> Simulated | None:
    """Simulate the e-mail log; None where it is absent (GOVERNOR_SHARED says where it lies)."""
    if not LOG.exists():
        return None
    with gzip.open(LOG) as lines:
        rows = sum(1 for _ in lines) - 1
    source = ["--log", str(LOG), "--map", str(CONFIG / "map.yaml")]
    return _run("e-mail log", rows, [*source, "--policy", str(CONFIG / "policy.yaml")])


def over_made_up_events(count: int) -> Simulated:
    """Simulate *count* events of 20,000 people over the same four months, however many."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("w") as events:
            events.writelines(_events(count))
        policy = str(CONFIG / "policy.yaml")
        return _run("made-up events", count, ["--events", str(path), "--policy", policy])


def _events(count: int) -> Iterator[str]:
    choose = random.Random(3)
    people = [f"p{number:05d}" for number in range(_PEOPLE)]
    grants = min(_PEOPLE, count // 2)
    for person in people[:grants]:
        data = {"id": f"c-{person}", "person": person, "at": _text(0.0), "action": "grant"}
        yield _line(0.0, "consent", {**data, "purpose": "marketing", "basis": "consent"})
    step = timedelta(days=120) / timedelta(seconds=1) / (count - grants)
    for number in range(count - grants):
        at = 1 + number * step
        candidate = {
            "id": f"m{number}",
            "person": choose.choice(people[:grants]),
            "campaign": f"campaign-{number * 10 // count}",
            "category": "promotional",
            "topic": TOPICS[number % 4],
            "created_at": _text(at),
            "channel": "email",
        }
        yield _line(at, "candidate", candidate)


def _line(at: float, kind: str, data: dict[str, str]) -> str:
    return json.dumps({"at": _text(at), "type": kind, "data": data}) + "\n"


def _text(seconds: float) -> str:
    at = _FROM + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _run(what: str, events: int, options: Sequence[str]) -> Simulated:
    command = [sys.executable, "-m", "governor", "simulate", *options, "--out", os.devnull]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    peak = _watch(process)
    words = process.stderr.read().decode() if process.stderr else ""
    if process.wait() != 0:
        raise RuntimeError(f"simulate ended with {process.returncode}: {words}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Simulated(what, events, time.monotonic() - began, cpu, peak)


def _watch(process: "subprocess.Popen[bytes]") -> float:
    """Return the most memory (MiB) that *process* held, looked at until it ends."""
    peak = 0.0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]) / 1024)
        time.sleep(0.05)
    return peak

"""`python -m bench.floor`: what each part of the way costs by itself, and what a compiler is worth.

Everything happens in this process, without Kafka and Redis: the rest of what a worker takes is
theirs, their clients' and Faust's.
"""

import asyncio
import gc
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import kernel, load
from bench.stage import POLICY
from governor.codec.decode import decode_candidate
from governor.config.policy_file import load_policy
from governor.core.incoming import Incoming
from governor.core.instant import DAY, HOUR
from governor.core.resolution import Resolution
from governor.ledger.keys import Pseudonyms, Sealer, payload_keys
from governor.ledger.memory import MemoryLedger
from governor.ledger.packing import pack, unpack
from governor.ledger.protocol import Change
from governor.service import Arrivals, Governor
from governor.stream.outgoing import Writer

_CANDIDATES: Final = 6_000
_PEOPLE: Final = 20_000
_BATCH: Final = 500
_ROUNDS: Final = 10
_SENDS: Final = 8
_KEY: Final = b"k" * 32


def main() -> int:
    """Measure and print; ends with 0."""
    gc.disable()
    table = Table("part", "us a candidate", title=f"least of {_ROUNDS}, processor time")
    for part, spent in (*_parts(), *_kernels()):
        table.add_row(part, f"{spent:.1f}")
    Console().print(table)
    return 0


def _parts() -> list[tuple[str, float]]:
    now = time.time_ns() // 1_000_000
    policy, names = load_policy(POLICY), Pseudonyms(_KEY)
    raw = load.candidates(load.people(_PEOPLE, _CANDIDATES, "floor"))
    judged: list[Resolution] = []

    def read() -> list[Incoming]:
        digests = names.digest_key
        return [decode_candidate(v, (), key, now, policy, digest_key=digests) for key, v in raw]

    incoming = read()
    keys = [names.of(one.candidate.person) for one in incoming]
    writer = Writer("", Sealer(*payload_keys(_KEY, None)))
    standing = load.standing(now, load.sends_before(now, _SENDS))

    async def judge() -> float:
        ledger = MemoryLedger()
        await ledger.commit([Change(key, 0, standing) for key in dict.fromkeys(keys)])
        governor = Governor(policy, ledger, names)
        began = time.process_time()
        judged.clear()
        for start in range(0, len(incoming), _BATCH):
            some = Arrivals(fresh=incoming[start : start + _BATCH])
            judged.extend((await governor.judge(some, now + start)).resolutions)
        return time.process_time() - began

    spent = min(asyncio.run(judge()) for _ in range(_ROUNDS))
    record = pack(standing)
    return [
        ("reading a candidate", _least(read)),
        ("judging it, the turn and the send log included", spent / _CANDIDATES * 1e6),
        ("writing decision and release", _least(lambda: writer.resolutions(judged))),
        (f"unpacking a standing of {_SENDS} sends", _least(lambda: _often(unpack, record))),
        ("packing it", _least(lambda: _often(pack, standing))),
    ]


def _kernels() -> list[tuple[str, float]]:
    found = [("the kernel of a judgement, interpreted", _judging(kernel))]
    if shutil.which("cc") is None:
        return found
    with tempfile.TemporaryDirectory() as folder:
        return [*found, ("the same, compiled by mypyc", _judging(_compiled(Path(folder))))]


def _compiled(folder: Path) -> ModuleType:
    shutil.copy(kernel.__file__, folder / "kernel.py")
    command = [sys.executable, "-m", "mypyc", "kernel.py"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    [built] = folder.glob("kernel.*.so")
    spec = importlib.util.spec_from_file_location("kernel", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _judging(made: ModuleType) -> float:
    now = 100 * DAY
    message = made.Message(1, 1, "email", "marketing", now + DAY)
    log = [made.Send(now - place * HOUR, place % 7, place % 4, 4.2) for place in range(_SENDS)]
    said = [made.Said("grant", "marketing", None, now - 30 * DAY)]
    caps = [
        made.Cap("per-hour", 20, HOUR, "1h", ""),
        made.Cap("per-day", 40, DAY, "24h", ""),
        made.Cap("per-week", 60, 7 * DAY, "7d", ""),
        made.Cap("calendar-day", 40, DAY, "calendar day", ""),
        made.Cap("per-topic", 15, DAY, "24h", "topic"),
        made.Cap("per-campaign", 30, 7 * DAY, "7d", "campaign"),
    ]
    return _least(lambda: [made.judge(message, log, said, caps, now) for _ in range(_CANDIDATES)])


def _often(work: Callable[..., object], what: object) -> None:
    for _ in range(_CANDIDATES):
        work(what)


def _least(work: Callable[[], object]) -> float:
    """Return what each of so many candidates takes (us) when *work* does them all."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best / _CANDIDATES * 1e6


if __name__ == "__main__":
    sys.exit(main())

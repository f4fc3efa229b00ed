"""The machine that a result comes from, as far as it explains the result."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from tests.servers.kafka import VERSION as KAFKA

_PACKAGES = ("faust-streaming", "aiokafka", "redis", "hiredis", "limits", "uvloop", "msgspec")
_TICKS = os.sysconf("SC_CLK_TCK")


class Machine(msgspec.Struct):
    """What was measured on; `load` is the load average of a minute, before everything began."""

    at: str
    processor: str
    cpus: int
    memory_gib: float
    system: str
    python: str
    kafka: str
    redis: str
    packages: dict[str, str]
    load: float


def describe() -> Machine:
    """Return what can be told of this machine now."""
    return Machine(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=_found(Path("/proc/cpuinfo"), r"model name\s*: (.*)") or platform.processor(),
        cpus=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        kafka=KAFKA,
        redis=_redis(),
        packages={name: version(name) for name in _PACKAGES},
        load=load(),
    )


def load() -> float:
    """Return the load average of the last minute: how much else wants the processors."""
    return round(os.getloadavg()[0], 1)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _found(path: Path, pattern: str) -> str | None:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1] if found else None


def _redis() -> str:
    said = subprocess.run(
        ["redis-server", "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"v=(\S+)", said)
    return found[1] if found else "unknown"

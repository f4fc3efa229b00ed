"""Where to look after the sample day, as commands that work as they stand."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

_SHOPS_OWN = "config/policy.yaml"
_EXPLAINED = ("spring-sale-dave", "free-socks-anna")
_THEN = [
    "make test            the whole suite, on a real Kafka and a real Redis",
    "docker compose up    Kafka, Redis, the worker, Prometheus and Grafana",
]

Hints = list[tuple[str, list[str]]]


def hints(folder: Path, kept: Mapping[str, str] | None) -> Hints:
    """Return titles with their commands; *kept* are the settings of what goes on running."""
    governor = _governor()
    explain = f"--decisions {folder / 'decisions.jsonl'}"
    simulate = f"simulate --events {folder / 'events.jsonl'} --policy {folder / 'policy.yaml'}"
    found: Hints = [
        (
            "Why did Dave wait, and why did Anna get no socks?",
            [f"{governor} explain {one} {explain}" for one in _EXPLAINED],
        )
    ]
    if Path(_SHOPS_OWN).is_file():
        title = f"What would {_SHOPS_OWN} have done with this day? Change it, and see:"
        found.append((title, [f"{governor} {simulate} --compare {_SHOPS_OWN}"]))
    else:
        title = "The same day without broker and store:"
        found.append((title, [f"{governor} {simulate} --out {folder / 'again.jsonl'}"]))
    if Path("Makefile").is_file():
        found.append(("And then", _THEN))
    if kept is not None:
        found.append(("All of it goes on running until ctrl-c", _running(governor, folder, kept)))
    return found


def _running(governor: str, folder: Path, kept: Mapping[str, str]) -> list[str]:
    absolute = Path(governor).absolute() if "/" in governor else governor
    return [
        f"curl http://{kept['GOVERNOR_METRICS']}/metrics",
        f"curl http://{kept['GOVERNOR_METRICS']}/health/ready",
        f"cd {folder} && {absolute} explain spring-sale-dave",
        f"Kafka {kept['GOVERNOR_BROKERS']}  Redis {kept['GOVERNOR_REDIS']}",
    ]


def _governor() -> str:
    """Return how the reader can call governor: as they did, if that was it."""
    called = Path(sys.argv[0])
    if called.name != "governor":
        return f"{shlex.quote(sys.executable)} -m governor"
    if shutil.which("governor") and Path(shutil.which("governor") or "").samefile(called):
        return "governor"
    here = Path.cwd()
    shown = called.relative_to(here) if called.is_relative_to(here) else called
    return shlex.quote(str(shown))

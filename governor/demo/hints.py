"""Where to look after the sample day, as commands that work as they stand."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

Hints = list[tuple[str, list[str]]]


def hints(folder: Path, kept: Mapping[str, str] | None) -> Hints:
    """Return titles with their commands; *kept* are the settings of what goes on running."""
    governor, policy = _governor(), folder / "policy.yaml"
    decisions, events = folder / "decisions.jsonl", folder / "events.jsonl"
    found: Hints = [
        (
            "Why did Dave wait, and Anna get no socks?",
            [
                f"{governor} explain spring-sale-dave --decisions {decisions}",
                f"{governor} explain free-socks-anna --decisions {decisions}",
            ],
        ),
        (
            f"What if the limits were others? Change {policy}, or take the shop's real one:",
            [
                f"{governor} simulate --policy {policy} --events {events} --out {folder / 'after.jsonl'}"
            ],
        ),
    ]
    if Path("config/policy.yaml").is_file():
        found[1][1].append(
            f"{governor} simulate --policy {policy} --compare config/policy.yaml --events {events}"
        )
    if Path("Makefile").is_file():
        found.append(("And then:", ["make test", "docker compose up"]))
    if kept is not None:
        found.append(("All of it goes on running until Ctrl-C:", _running(governor, folder, kept)))
    return found


def _running(governor: str, folder: Path, kept: Mapping[str, str]) -> list[str]:
    absolute = Path(governor).resolve() if "/" in governor else governor
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

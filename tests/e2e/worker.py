"""One `governor run` as a process, and what it tells of itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
T = TypeVar("T")

RUN = [sys.executable, "-m", "governor", "run"]


def wait_until(reached: Callable[[], T], within: float, state: Callable[[], str]) -> T:
    """Return the first true answer of *reached*; fail with *state* when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := reached()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {state()}"
        time.sleep(0.02)
    return answer


class Worker:
    """One `governor run` in a process of its own."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.port = int(env["GOVERNOR_METRICS"].rpartition(":")[2])
        self.log = folder / f"worker-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=env, stderr=log, stdout=log)

    @property
    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def state(self) -> str:
        ready = None if self.process.poll() is not None else self.ask("/health/ready")
        return f"exit code {self.process.poll()}, ready {ready}\n{self.words[-4000:]}"

    def ask(self, path: str) -> tuple[int, Any]:
        """Ask for a page; status 0 is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def reasons(self) -> dict[str, str]:
        """Why the worker is not ready, by cause; empty when it is."""
        status, body = self.ask("/health/ready")
        if not status:
            return {"away": body}
        found = {one["cause"]: one["detail"] for one in json.loads(body)["reasons"]}
        assert (status == 200) == (not found), (status, body)
        return found

    def wait_until_ready(self, within: float = 60.0) -> Self:
        def ready() -> bool:
            assert self.process.poll() is None, self.state()
            return not self.reasons()

        wait_until(ready, within, self.state)
        return self

    def metrics(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        status, page = self.ask("/metrics")
        assert status == 200, page
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series with these labels."""
        series = self.metrics().get(name, [])
        return sum(value for given, value in series if labels.items() <= given.items())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self, within: float = 60.0) -> int:
        """Ask the worker to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(within)

    def wait(self, within: float = 60.0) -> int:
        """Wait for the worker to end by itself, and return its exit code."""
        return self.process.wait(within)

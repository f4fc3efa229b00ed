"""The parts that the demonstration runs as children of its own, from their start to their end."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

_START_WITHIN = 60.0
_STOP_WITHIN = 20.0
_GLANCE = 0.05


class DemoFailed(Exception):
    """A part of the demonstration does not do what it should; the message says which and why."""


class Part(NamedTuple):
    """Something that runs: where it is reached, and in which process."""

    name: str
    address: str
    pid: int


class Process:
    """A child in a session of its own, so that ctrl-c reaches the demonstration alone."""

    def __init__(self, name: str, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own programs
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=env,
                    start_new_session=True,
                )
        except OSError as error:
            raise DemoFailed(f"{name}: cannot be started: {error}") from None
        self.pid = self._process.pid

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Return when the process *answers*; DemoFailed when it ends or takes too long."""
        deadline = time.monotonic() + _START_WITHIN
        while not answers():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"{self.name}: does not answer within {_START_WITHIN:.0f} s, see `{self.log}`"
                )
            time.sleep(_GLANCE)

    def check(self) -> None:
        """Raise DemoFailed, with the last words of the process, when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoFailed(f"{self.name}: ended with {code}: {self._trouble()}")

    def stop(self) -> int:
        """End the process in order, by force when it takes too long; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            self._process.kill()
            self._process.wait()

    def _trouble(self) -> str:
        """Return the first error that was logged, or else the last line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("level") in ("error", "critical"):
                trace = str(said.get("exception", "")).strip().rpartition("\n")[2]
                return f"{said['message']} {trace}".strip()
        return lines[-1] if lines else "it said nothing"

"""The life of one server process: start, wait until it answers, stop, kill, pause, start again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

# Below the ports of outgoing connections, so that a restart finds its port free.
_PORTS = range(20_000, 32_000)


class ServerUnavailableError(Exception):
    """The server cannot be had on this machine: its programs are not installed."""


class ServerFailedError(Exception):
    """The server is installed but did not start or stop as it should."""


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = f"no free port between {_PORTS.start} and {_PORTS.stop}"
    raise ServerFailedError(message)


class Server(ABC):
    """A server on loopback whose port and data stay the same over stop, kill and restart.

    As a context manager it starts, and at the end it is stopped and its data removed.
    """

    name: ClassVar[str]
    start_within: ClassVar[float] = 30.0
    stop_within: ClassVar[float] = 20.0

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"governor-{self.name}-"))
        self.port = free_port()
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether the server serves requests now; must return within a second or two."""

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        if self._process is None:
            message = f"{self.name} is not running"
            raise ServerFailedError(message)
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process is alive (a paused one is)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it answers; does nothing when it runs."""
        if self.running:
            return
        with self.log.open("ab") as log:
            # Its own session: ctrl-c reaches pytest alone, which then ends its servers.
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server in order; what was written is kept."""
        if not self.running:
            return
        self.resume()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut of its process would (SIGKILL)."""
        if self.running:
            self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server if it runs and start it with the same port and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the server and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + self.start_within
        while time.monotonic() < deadline:
            if not self.running:
                raise ServerFailedError(self._trouble("ended while starting"))
            if self.answers():
                return
            time.sleep(0.05)
        self.kill()
        raise ServerFailedError(self._trouble(f"did not answer within {self.start_within:g} s"))

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(self.stop_within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            message = self._trouble(f"did not end within {self.stop_within:g} s and was killed")
            raise ServerFailedError(message) from None

    def _trouble(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"{self.name} on port {self.port} {what}; its last words:", *lines[-20:]])

"""Ways to lose, slow down and cut off a ledger, and to ask whether it is whole again."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from redis import Redis

from tests.e2e.kit import Stage
from tests.e2e.worker import ROOT, Worker
from tests.servers import RedisServer

Json = dict[str, Any]


def log_of(server: RedisServer) -> Path:
    """The file that the server appends every write to."""
    [path] = (server.folder / "appendonlydir").glob("*.incr.aof")
    return path


def written(server: RedisServer) -> int:
    """How much the server has written down."""
    return log_of(server).stat().st_size


def crash(server: RedisServer, *, keeping: int | None = None) -> None:
    """Kill the server; of what it has written down only the first bytes survive."""
    server.kill()
    if keeping is not None:
        path = log_of(server)
        assert path.stat().st_size > keeping
        os.truncate(path, keeping)


def back_up(server: RedisServer, to: Path) -> None:
    """Copy what the server has written down, as backups do: while it runs."""
    shutil.copytree(server.folder / "appendonlydir", to)


def put_back(server: RedisServer, backup: Path) -> None:
    """Let a killed server start from a backup."""
    shutil.rmtree(server.folder / "appendonlydir")
    shutil.copytree(backup, server.folder / "appendonlydir")


@contextmanager
def client(server: RedisServer) -> Iterator[Redis]:
    """A client of the server."""
    with Redis.from_url(server.url) as opened:
        yield opened


def command(stage: Stage, *words: str, **settings: str) -> tuple[int, str, str]:
    """Run a command of governor with the settings of the stage's workers."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **stage.settings, **settings}
    run = [sys.executable, "-m", "governor", *words]
    done = subprocess.run(
        run, cwd=stage.folder, env=env, capture_output=True, text=True, timeout=110, check=False
    )
    return done.returncode, done.stdout, done.stderr


def verified(stage: Stage) -> Json:
    """Compare ledger and topics, which must be the same, and return the report."""
    code, out, err = command(stage, "ledger", "verify", "--json")
    report: Json = json.loads(out)
    assert (code, report["differences"]) == (0, []), err
    return report


def wait_until_held(stage: Stage, worker: Worker, cause: str = "ledger") -> str:
    """Wait until the worker holds for *cause*, and return what it says about it."""
    words = stage.wait_for(lambda: worker.reasons().get(cause))
    assert words
    assert worker.ask("/health/live")[0] == 200
    return words


def held_for(worker: Worker, cause: str = "ledger") -> float:
    """For how long the worker has held, in seconds."""
    return worker.metric("governor_held_closed_seconds_total", cause=cause)


class Proxy:
    """Forwards connections on a port of its own; may be frozen, cut, slow, and led elsewhere.

    `delay` is for how long (s) each piece of an answer is kept back.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self._flows = threading.Event()
        self._flows.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._flows.set()
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def freeze(self) -> None:
        """Forward nothing any more; connections stay open, and new ones are accepted."""
        self._flows.clear()

    def heal(self) -> None:
        """Forward again on new connections; the old ones stay dead for ever."""
        self._flows = threading.Event()
        self._flows.set()

    def cut(self) -> None:
        """Break every connection; new ones are made at once."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(here, self._flows), daemon=True).start()

    def _join(self, here: socket.socket, flows: threading.Event) -> None:
        self._open.append(here)
        flows.wait()
        try:
            there = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            here.close()
            return
        there.settimeout(None)
        self._open.append(there)
        threading.Thread(
            target=self._pump, args=(there, here, flows), kwargs={"answers": True}, daemon=True
        ).start()
        self._pump(here, there, flows)

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        flows: threading.Event,
        *,
        answers: bool = False,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                flows.wait()
                if answers:
                    time.sleep(self.delay)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

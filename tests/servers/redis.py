"""A real Redis that writes everything down, for tests of the ledger and of its loss."""

from __future__ import annotations

import shutil
import socket

from tests.servers.process import Server, ServerUnavailableError


class RedisServer(Server):
    """One redis-server: append-only file, fsync every second, nothing evicted."""

    name = "redis"

    @property
    def url(self) -> str:
        """Return the URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Empty every database."""
        if self._ask(b"FLUSHALL\r\n") != b"+OK\r\n":
            raise RuntimeError(self._trouble("refused FLUSHALL"))

    def command(self) -> list[str]:
        """Return the command line; what differs from the defaults is what production uses."""
        program = shutil.which("redis-server")
        if program is None:
            message = "redis-server is not installed; `make servers` installs it"
            raise ServerUnavailableError(message)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [program, *(word for key, value in options.items() for word in (f"--{key}", value))]

    def answers(self) -> bool:
        """Tell whether this very process answers and has loaded its data."""
        try:
            lines = self._ask(b"INFO server persistence\r\n").split(b"\r\n")
        except OSError:
            return False
        return f"process_id:{self.pid}".encode() in lines and b"loading:0" in lines

    def _ask(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command)
            return connection.recv(65_536)

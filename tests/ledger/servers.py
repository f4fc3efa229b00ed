"""Redis as a cluster and behind a sentinel, each in one process."""

from __future__ import annotations

import shutil

from tests.servers import RedisServer
from tests.servers.process import free_port


class ClusterServer(RedisServer):
    """One node that owns every slot."""

    name = "redis-cluster"

    @property
    def url(self) -> str:
        """Return the URL of the cluster."""
        return f"redis+cluster://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command line."""
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
        return [*super().command(), *cluster]

    def answers(self) -> bool:
        """Tell whether the node answers and has taken every slot."""
        if not super().answers():
            return False
        state = self._ask(b"CLUSTER INFO\r\n")
        if b"cluster_slots_assigned:0\r" in state:
            self._ask(b"CLUSTER ADDSLOTSRANGE 0 16383\r\n")
        return b"cluster_state:ok" in state


class SentinelServer(RedisServer):
    """A sentinel that knows one primary under the name `ledger`."""

    name = "redis-sentinel"

    def __init__(self, primary: RedisServer) -> None:
        super().__init__()
        self.config = self.folder / "sentinel.conf"
        self.config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor ledger 127.0.0.1 {primary.port} 1\n"
        )

    @property
    def url(self) -> str:
        """Return the URL of the primary by way of the sentinel."""
        return f"redis+sentinel://127.0.0.1:{self.port}/ledger/0"

    def command(self) -> list[str]:
        """Return the command line."""
        return [shutil.which("redis-server") or "redis-server", str(self.config), "--sentinel"]

    def answers(self) -> bool:
        """Tell whether the sentinel has seen its primary."""
        try:
            return b"status=ok" in self._ask(b"INFO sentinel\r\n")
        except OSError:
            return False

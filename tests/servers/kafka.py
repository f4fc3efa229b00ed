"""A real Apache Kafka broker (KRaft, one node) for tests of what the broker promises."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.process import Server, ServerFailedError, ServerUnavailableError, free_port

VERSION: Final = "4.1.0"
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
log.retention.ms=-1
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
controlled.shutdown.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


def jars() -> Path:
    """Return the folder that holds, or shall hold, the broker's jars."""
    cache = os.environ.get("GOVERNOR_CACHE") or Path(__file__).parents[2] / ".cache"
    return Path(cache) / f"kafka-{VERSION}"


class KafkaServer(Server):
    """One broker on loopback; topics are made by `create_topics` only."""

    name = "kafka"
    start_within = 90.0
    stop_within = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._controller = free_port()
        self._cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]

    @property
    def bootstrap(self) -> str:
        """Return the address that clients start from."""
        return f"127.0.0.1:{self.port}"

    def create_topics(self, *names: str, partitions: int = 4, **config: str) -> None:
        """Create topics; underscores in the names of `config` stand for dots."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        wanted = [NewTopic(name, partitions, 1, config=settings) for name in names]
        admin = self._admin()
        for future in admin.create_topics(wanted, operation_timeout=30).values():
            future.result(timeout=30)

    def start(self) -> None:
        """Format the storage the first time, then start the broker."""
        if not (self.folder / "data").exists():
            self._format()
        super().start()

    def command(self) -> list[str]:
        """Return the command line of the broker, small enough for two beside each other."""
        return self._java("kafka.Kafka", str(self.folder / "server.properties"))

    def answers(self) -> bool:
        """Tell whether this very broker is known to its cluster, so that clients find it."""
        try:
            seen = self._admin().list_topics(timeout=1)
        except KafkaException:
            return False
        return bool(seen.brokers) and seen.cluster_id == self._cluster

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def _format(self) -> None:
        properties = self.folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(port=self.port, controller=self._controller, folder=self.folder)
        )
        tool = self._java("kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster}")
        tool += ["--config", str(properties)]
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"kafka: cannot format its storage:\n{done.stdout}{done.stderr}"
            raise ServerFailedError(message)

    def _java(self, main: str, *arguments: str) -> list[str]:
        program, library = shutil.which("java"), jars()
        if program is None or not (library / ".complete").exists():
            what = "java" if program is None else f"kafka {VERSION}"
            message = f"{what} is not installed; `make servers` installs it"
            raise ServerUnavailableError(message)
        machine = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [program, *machine, quiet, "-cp", f"{library}/*", main, *arguments]

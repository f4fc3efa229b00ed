"""Ways to disturb a broker: a disk that is full, and topics that change while they are used."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.servers import KafkaServer, ServerUnavailableError

_SIZE = "120m"
_PIECE = 1 << 16


class CrampedKafka(KafkaServer):
    """A broker whose data lie on a small disk of their own; needs the right to mount one."""

    def close(self) -> None:
        """End the broker and let go of its disk."""
        self.kill()
        subprocess.run(["umount", self.folder / "data"], check=False, capture_output=True)
        super().close()

    def fill(self) -> None:
        """Leave not a byte free on the broker's disk."""
        with self._filler.open("wb", buffering=0) as filler:
            while shutil.disk_usage(self.folder / "data").free:
                try:
                    filler.write(bytes(_PIECE))
                except OSError:
                    break

    def clear(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.folder / "data" / "filler"

    def _format(self) -> None:
        disk = self.folder / "data"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(disk)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerUnavailableError(f"a small disk cannot be mounted: {done.stderr.strip()}")
        super()._format()


def delete(brokers: str, names: Iterable[str]) -> None:
    """Delete topics; they may show for a moment more."""
    admin = _admin(brokers)
    for future in admin.delete_topics(list(names), operation_timeout=30).values():
        future.result(30)


def make_again(brokers: str, names: Iterable[str], partitions: int) -> None:
    """Delete topics and make them again, empty."""
    admin, names = _admin(brokers), list(names)
    delete(brokers, names)
    deadline = time.monotonic() + 30
    for name in names:
        while True:
            try:
                admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
                break
            except KafkaException:
                # It may be a moment before the old one is gone.
                assert time.monotonic() < deadline
                time.sleep(0.1)


def give_partitions(brokers: str, names: Iterable[str], partitions: int) -> None:
    """Raise the number of partitions of topics."""
    admin = _admin(brokers)
    wanted = [NewPartitions(name, partitions) for name in names]
    for future in admin.create_partitions(wanted, operation_timeout=30).values():
        future.result(30)


def _admin(brokers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": brokers, "log_level": 0})

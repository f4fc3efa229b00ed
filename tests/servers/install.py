"""Install what the test servers need: Redis and Java through apt, Kafka's jars through Maven."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.servers.kafka import jars
from tests.servers.process import ServerUnavailableError

_HERE: Final = Path(__file__).parent
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def install_redis() -> str:
    """Return where redis-server is, after installing it when it is absent."""
    if shutil.which("redis-server") is None:
        _apt("redis-server")
    program = shutil.which("redis-server")
    if program is None:
        message = "redis-server was installed but is not on the PATH"
        raise ServerUnavailableError(message)
    return program


def install_kafka() -> str:
    """Return the folder of Kafka's jars, after fetching and verifying them when they are absent."""
    target = jars()
    if shutil.which("java") is None or not (target / ".complete").exists():
        if shutil.which("mvn") is None or shutil.which("java") is None:
            _apt("maven")
        _fetch_jars(target)
    return str(target)


def _fetch_jars(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pom = Path(shutil.copy(_HERE / "pom.xml", folder))
        _run(["mvn", "-q", "-B", "-f", str(pom), _COPY, f"-DoutputDirectory={folder}/lib"])
        _verify(Path(folder) / "lib")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(folder) / "lib", target)
    (target / ".complete").touch()


def _verify(library: Path) -> None:
    pinned = set((_HERE / "pom.sha256").read_text().splitlines())
    fetched = {
        f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}"
        for jar in library.glob("*.jar")
    }
    if wrong := sorted({line.split()[1] for line in pinned ^ fetched}):
        message = f"these jars are not those of pom.sha256: {', '.join(wrong)}"
        raise ServerUnavailableError(message)


def _apt(package: str) -> None:
    if shutil.which("apt-get") is None:
        message = f"`{package}` is not installed and there is no apt-get to install it with"
        raise ServerUnavailableError(message)
    # RUNLEVEL=1 keeps the package from starting a server of its own on the standard port.
    become = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*become, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-qq"]
    _run([*apt, "update"])
    _run([*apt, "install", "-y", "--no-install-recommends", package])


def _run(command: list[str]) -> None:
    print(f"servers: {' '.join(command)}", flush=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerUnavailableError(str(error)) from error
    if done.returncode:
        words = (done.stderr + done.stdout).strip().splitlines()[-5:]
        message = "\n".join([f"`{command[0]}` ended with {done.returncode}", *words])
        raise ServerUnavailableError(message)


def _report(name: str, install: Callable[[], str]) -> bool:
    try:
        where = install()
    except ServerUnavailableError as error:
        print(f"servers: {name} is not available: {error}", file=sys.stderr)
        return False
    print(f"servers: {name}: {where}")
    return True


def main() -> int:
    """Install both; without one of them its tests are skipped, and under CI that is an error."""
    there = [_report("redis", install_redis), _report("kafka", install_kafka)]
    return 0 if all(there) or not os.environ.get("CI") else 4


if __name__ == "__main__":
    sys.exit(main())

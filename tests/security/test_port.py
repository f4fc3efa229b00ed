"""The port for metrics and health: three pages to read, and nothing else to be had there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from governor.health import Health
from governor.metrics import Metrics
from governor.probes import Probes
from tests.e2e.kit import Stage

PAGES = ["/metrics", "/health/live", "/health/ready"]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    metrics = Metrics()
    async with Probes(metrics, Health(metrics, lambda: 1.0), "127.0.0.1", 0) as probes:
        yield probes.port


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "ODD"])
@pytest.mark.parametrize("page", PAGES)
async def test_pages_are_read_and_nothing_else(port: int, method: str, page: str) -> None:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        client.request(method, page, data=b"x" * 10_000) as answer,
    ):
        assert answer.status == (400 if method == "ODD" else 405)


@pytest.mark.parametrize(
    "page",
    "/ /debug /debug/pprof /admin /graph /metrics/ /metrics/../ /health /%2e%2e/etc/passwd"
    " //metrics /metrics%00 /static/ /health/live/x /.env".split(),
)
async def test_there_are_no_other_pages(port: int, page: str) -> None:
    url = f"http://127.0.0.1:{port}{page}"
    async with (
        aiohttp.ClientSession() as client,
        client.get(url, allow_redirects=False) as answer,
    ):
        status, body = answer.status, await answer.text()
    assert status == 404
    assert "Traceback" not in body


@pytest.mark.parametrize("page", PAGES)
async def test_the_server_does_not_say_what_it_is_made_of(port: int, page: str) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        for path in (page, "/nothing", page + "?x=" + "y" * 100):
            async with client.get(path, headers={"X-Odd": "\u00fc" * 20}) as answer:
                assert answer.headers["Server"] == "governor"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(100),
        b"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\r\n" * 1_000 + b"\x00\r\n\r\n",
    ],
    ids=["header", "path", "tls", "smuggled", "noise"],
)
async def test_a_malformed_request_is_refused_and_the_next_one_answered(
    port: int, request_: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_)
    answer = await asyncio.wait_for(reader.read(10_000), 10)
    writer.close()
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) or answer == b""
    assert b"Traceback" not in answer
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        client.get("/metrics") as page,
    ):
        assert page.status == 200


async def test_callers_who_never_finish_keep_nobody_out(port: int) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    for _, writer in slow:
        writer.write(b"GET /metrics HTTP/1.1\r\nX: ")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        for page in PAGES[:2]:
            async with client.get(page) as answer:
                assert answer.status == 200
    for _, writer in slow:
        writer.close()


def listening(pid: int) -> set[int]:
    """The TCP ports that a process listens on, as the kernel tells."""
    links = [
        one.readlink().as_posix() for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()
    ]
    sockets = {
        link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket")
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="asks the kernel of Linux")
def test_a_worker_listens_on_that_port_alone(stage: Stage) -> None:
    worker = stage.worker().wait_until_ready()
    assert listening(worker.process.pid) == {worker.port}

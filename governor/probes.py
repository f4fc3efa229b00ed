"""Serves metrics and health over HTTP, in the worker's own loop: one that hangs does not answer."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from governor.health import Health
from governor.metrics import Metrics

_EVERY = 1.0


class Probes:
    """`/metrics`, `/health/live` and `/health/ready` on one address; a context manager."""

    def __init__(self, metrics: Metrics, health: Health, host: str, port: int) -> None:
        self._metrics = metrics
        self._health = health
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._settling: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        if self._runner is None or not self._runner.addresses:
            return self._port
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen; OSError when the address is taken."""
        app = web.Application()
        app.on_response_prepare.append(_unnamed)
        app.router.add_get("/metrics", self._scrape)
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self.stop()
            raise
        self._settling = asyncio.create_task(self._settle(), name="governor-health")

    async def stop(self) -> None:
        """Listen no more."""
        if self._settling is not None:
            self._settling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._settling
            self._settling = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _settle(self) -> None:
        while True:
            self._health.settle()
            await asyncio.sleep(_EVERY)

    async def _scrape(self, _request: web.Request) -> web.Response:
        self._health.settle()
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
        )

    async def _live(self, _request: web.Request) -> web.Response:
        stuck = self._health.stuck()
        body = {"live": stuck is None, "reasons": [] if stuck is None else [stuck]}
        return web.json_response(body, status=200 if stuck is None else 503)

    async def _ready(self, _request: web.Request) -> web.Response:
        reasons = self._health.reasons()
        body = {"ready": not reasons, "reasons": reasons, "policy": self._health.policy()}
        return web.json_response(body, status=503 if reasons else 200)


async def _unnamed(_request: web.Request, response: web.StreamResponse) -> None:
    """Keep to ourselves which versions of what answer here."""
    response.headers["Server"] = "governor"

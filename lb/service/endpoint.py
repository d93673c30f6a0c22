"""Serves metrics and pages at the configured address, as soon as this machine has that address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ..errors import GuardError
from ..events import EventLog
from .http import MetricsServer, Report, Route

# Seconds between two attempts.
_AGAIN = 5.0


class MetricsEndpoint:
    """Listens on the configured address, retries every 5 s while that fails, and calls opened() once it listens.

    A failure does not keep farms from being served: the address may be one of the pair that this node gets later, or
    belong to an interface that comes up after the service. The first failure and a later success are events.
    """

    def __init__(
        self, routes: Mapping[str, Route], report: Report, events: EventLog, opened: Callable[[], object]
    ) -> None:
        self._routes = routes
        self._report = report
        self._events = events
        self._opened = opened
        self._address: tuple[str, int] | None = None
        self._server: MetricsServer | None = None
        self._trying: asyncio.Task[None] | None = None

    async def configure(self, address: tuple[str, int] | None) -> None:
        """Closes the old address and tries once to listen on the new one; None closes only."""
        if address == self._address:
            return
        await self.close()
        self._address = address
        if address is not None and (trouble := await self._open(*address)):
            self._events.report("metrics-failed", f"{trouble}; the guardian tries again")
            self._trying = asyncio.create_task(self._try(*address))

    async def close(self) -> None:
        """Closes the listening socket and all connections."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait([self._trying])
        if self._server is not None:
            await self._server.close()
        self._server = self._trying = self._address = None

    async def _try(self, host: str, port: int) -> None:
        while True:
            await asyncio.sleep(_AGAIN)
            if not await self._open(host, port):
                self._events.report("note", f"metrics are served on {host} port {port} now")
                return

    async def _open(self, host: str, port: int) -> str:
        """Tries to listen, and returns the reason of a failure, or ""."""
        server = MetricsServer(self._routes, self._report)
        try:
            await server.open(host, port)
        except GuardError as error:
            return str(error)
        self._server = server
        self._opened()
        return ""

"""Serves metrics and pages at the address of the settings, as soon as this machine has that address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ..errors import GuardError
from ..events import EventLog
from .http import MetricsServer, Report, Route

# Seconds between two tries.
_AGAIN = 5.0


class MetricsEndpoint:
    """Listens where it is configured to, and tries again every 5 s while it cannot; opened is called when it does.

    Farms are served even if metrics are not. The address may be one of the pair that this node gets later, or one of an
    interface that comes up after the service. It reports as events that it cannot listen, once, and that it can now.
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
        """Moves to another address, None for no address, and tries to listen there before it returns."""
        if address == self._address:
            return
        await self.close()
        self._address = address
        if address is not None and (trouble := await self._open(*address)):
            self._events.report("metrics-failed", f"{trouble}; the guardian tries again")
            self._trying = asyncio.create_task(self._try(*address))

    async def close(self) -> None:
        """Hangs up."""
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
        """Listens, and returns why it cannot, or ""."""
        server = MetricsServer(self._routes, self._report)
        try:
            await server.open(host, port)
        except GuardError as error:
            return str(error)
        self._server = server
        self._opened()
        return ""

"""The exporter as a daemon: it listens, reads its files again when it is told to, and ends in order."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress

from aiohttp import web

from ..errors import UsageError
from ..status.text import printable
from ..value import Value
from .basic_auth import BasicAuth
from .clients import Clients
from .configuration import read_configuration
from .errors import ConfigurationError
from .history import History
from .prober import Prober, room
from .telemetry import Telemetry
from .web import Exporter
from .web_config import WebConfigFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .configuration import Configuration

# Seconds for the requests under way to be answered when the exporter ends.
_GRACE = 10.0


class Settings(Value):
    """What the exporter is told on its command line; listen are pairs of host and port."""

    listen: tuple[tuple[str, int], ...]
    modules: str
    allow: tuple[str, ...]
    web_config: str
    concurrency: int
    timeout_offset: float
    history: int

    def __init__(
        self,
        *,
        listen: tuple[tuple[str, int], ...],
        modules: str = "",
        allow: tuple[str, ...] = (),
        web_config: str = "",
        concurrency: int = 1000,
        timeout_offset: float = 0.5,
        history: int = 100,
    ) -> None:
        self._fill(locals())

    def read(self) -> Configuration:
        """Reads the modules file; ConfigurationError."""
        return read_configuration(self.modules, self.allow)


async def serve(settings: Settings, say: Callable[[str], object]) -> None:
    """Serves until SIGTERM or SIGINT; UsageError when a file is wrong or an address cannot be listened on."""
    configuration = settings.read()
    web_config = WebConfigFile(settings.web_config, say)
    listeners = [_bound(host, port) for host, port in settings.listen]
    most_probes, most_clients = room(settings.concurrency)
    prober = Prober(most_probes)
    telemetry = Telemetry()
    exporter = Exporter(
        configuration,
        prober=prober,
        history=History(settings.history),
        telemetry=telemetry,
        web_config=web_config,
        auth=BasicAuth(),
        timeout_offset=settings.timeout_offset,
        reload=settings.read,
        say=say,
    )
    runner = web.AppRunner(exporter.application(), access_log=None, keepalive_timeout=3600, lingering_time=1)
    await runner.setup()

    def drop() -> None:
        telemetry.dropped_clients += 1

    exporter.clients = clients = Clients(
        _factory(runner), tls=lambda: web_config.current().tls, dropped=drop, most=most_clients
    )
    ended = _handle_signals(exporter)
    for listener in listeners:
        clients.listen(listener)
        scheme = "https" if web_config.current().tls else "http"
        say(f"listening on {scheme}://{_shown(listener)}, {len(configuration.modules)} modules")
    try:
        await ended.wait()
        say("ends")
        await clients.stop()
        await _settled(prober)
    finally:
        await clients.close()
        await runner.cleanup()
        prober.close()


def _factory(runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    server = runner.server
    assert server is not None  # noqa: S101  # what setup() makes
    return server


def _handle_signals(exporter: Exporter) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def reload() -> None:
        try:
            exporter.reload()
        except ConfigurationError:
            # It has been said.
            pass

    loop.add_signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    return ended


async def _settled(prober: Prober) -> None:
    """Waits until no probe is under way, for a bounded time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await prober.settle()
    # For the answers to the last ones to be written.
    await asyncio.sleep(0.1)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host not in ("", "::"))
        made.bind(address)
    except OSError as error:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise UsageError(f"Cannot listen on {printable(place)}: {error.strerror or error}") from None
    return made


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

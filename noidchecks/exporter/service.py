"""The exporter as a daemon: listening sockets, reload and graceful shutdown."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import suppress
from ipaddress import ip_address

from aiohttp import web
from aiohttp.http import HttpProcessingError

from ..status.text import printable
from ..systemd import Notifier
from ..value import Value
from .basic_auth import BasicAuth
from .clients import Clients
from .configuration import read_configuration
from .errors import ConfigurationError, ListenError
from .history import History
from .prober import Prober, room
from .telemetry import Telemetry
from .web import Exporter
from .web_config import WebConfigFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .configuration import Configuration

# The seconds for answering the running requests during the shutdown.
_GRACE = 10.0
_BACKLOG = 4096
_LOGGER = logging.getLogger(__name__)


def _is_ours(record: logging.LogRecord) -> bool:
    """Tells whether a log record of aiohttp is about this program, not about a client's invalid HTTP.

    A body that does not match its header is invalid too; this server does not use bodies.
    """
    return record.exc_info is None or not isinstance(record.exc_info[1], (HttpProcessingError, web.RequestPayloadError))


_LOGGER.addFilter(_is_ours)


class Settings(Value):
    """The settings of the exporter's command line; listen has pairs of host and port."""

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


class Service:
    """An exporter that listens from open() to close(); say gets the messages to the operator, one sentence each."""

    def __init__(self, settings: Settings, say: Callable[[str], object]) -> None:
        self._say = say
        self._settings = settings
        self._telemetry = Telemetry()
        configuration = settings.read()
        self._web_config = WebConfigFile(settings.web_config, say)
        most_probes, self._most_clients = room(settings.concurrency)
        self._prober = Prober(most_probes)
        self.exporter = Exporter(
            configuration,
            prober=self._prober,
            history=History(settings.history),
            telemetry=self._telemetry,
            web_config=self._web_config,
            # The other half of the clients is for those whose passwords are cached.
            auth=BasicAuth(max(1, self._most_clients // 2)),
            timeout_offset=settings.timeout_offset,
            reload=settings.read,
            say=say,
        )
        self._runner = web.AppRunner(
            self.exporter.application(),
            access_log=None,
            logger=_LOGGER,
            keepalive_timeout=3600,
            lingering_time=1,
            # Bodies are read over: half a MiB that unfolds to 512 MiB would keep the loop from all others for seconds.
            auto_decompress=False,
        )
        self._clients: Clients | None = None
        self.ports: tuple[int, ...] = ()

    async def open(self) -> None:
        """Starts to listen; raises ListenError."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None  # noqa: S101  # what setup() makes
        listeners = _all_listening(self._settings.listen)
        self._clients = self.exporter.clients = Clients(
            server, tls=lambda: self._web_config.current().tls, dropped=self._drop, most=self._most_clients
        )
        scheme = "https" if self._web_config.current().tls else "http"
        for listener in listeners:
            self._clients.listen(listener)
            place = _shown(*listener.getsockname()[:2])
            self._say(f"listening on {scheme}://{place}, {len(self.exporter.configuration.modules)} modules")
            if not self._web_config.current().knows_clients and not _is_loopback(listener):
                self._say(f"whoever reaches {place} can probe what is allowed: see --web-config")
        self.ports = tuple(listener.getsockname()[1] for listener in listeners)

    async def close(self) -> None:
        """Shuts down gracefully: stops accepting, waits at most 10 s for running requests, closes all connections."""
        if self._clients is not None:
            await self._clients.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._prober.settle()
                    await self._clients.settle()
            await self._clients.close()
        await self._runner.cleanup()
        self._prober.close()

    def _drop(self) -> None:
        self._telemetry.dropped_clients += 1


async def serve(settings: Settings, say: Callable[[str], object]) -> None:
    """Serves until SIGTERM or SIGINT; raises ConfigurationError for an invalid file, ListenError."""
    service, notifier = Service(settings, say), Notifier()
    ended = asyncio.Event()

    def reload() -> None:
        # reload() has already reported the error.
        with suppress(ConfigurationError):
            service.exporter.reload()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    # The command has blocked SIGHUP since its start.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        await service.open()
        notifier.ready()
        await ended.wait()
        notifier.stopping()
        say("ends")
    finally:
        await service.close()
        notifier.close()


def _all_listening(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for host, port in addresses:
            made.append(_listening(host, port))
    except ListenError:
        for one in made:
            one.close()
        raise
    return made


def _listening(host: str, port: int) -> socket.socket:
    made = None
    try:
        name = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104  # what no address means
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The wildcard address is dual stack, as in other exporters.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, name != "::")
        made.bind(address)
        # Called at once: with SO_REUSEADDR, bind() fails only if another socket is already listening on the address.
        made.listen(_BACKLOG)
    except OSError as error:
        if made is not None:
            made.close()
        raise ListenError(f"Cannot listen on {printable(_shown(host, port))}: {error.strerror or error}") from None
    return made


def _is_loopback(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

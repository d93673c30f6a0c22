"""An exporter that runs, and what it answers."""

from __future__ import annotations

import re
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.daemon import Daemon
from integration.servers import HOST, free_port

NOIDCHECKS = Path(sys.executable).parent / "noidchecks"

SAMPLE = re.compile(r"^([a-z_]+(?:\{.*\})?) (\S+)$", re.MULTILINE)


class Exporter:
    """A running exporter: where it answers, and its process."""

    def __init__(self, daemon: Daemon, port: int, context: ssl.SSLContext | None) -> None:
        self.daemon = daemon
        self.port = port
        self._context = context

    def ask(self, path: str, *, method: str = "GET", timeout: str = "") -> tuple[int, str]:
        """Returns status and body."""
        scheme = "https" if self._context else "http"
        request = urllib.request.Request(f"{scheme}://{HOST}:{self.port}{path}", method=method)
        if timeout:
            request.add_header("X-Prometheus-Scrape-Timeout-Seconds", timeout)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self._context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def probe(self, module: str, port: int, host: str = HOST) -> dict[str, float]:
        """Returns the metrics of a probe."""
        status, text = self.ask(f"/probe?module={module}&target={host}:{port}", timeout="20")
        assert status == 200, text
        return {name: float(value) for name, value in SAMPLE.findall(text)}


@contextmanager
def exporting(folder: Path, *options: str | Path, context: ssl.SSLContext | None = None) -> Iterator[Exporter]:
    port = free_port()
    words = (NOIDCHECKS, "exporter", "--listen", f"{HOST}:{port}", *options)
    with Daemon(words, folder) as daemon:
        daemon.wait_until(lambda: "listening on" in daemon.output, "listening")
        yield Exporter(daemon, port, context)

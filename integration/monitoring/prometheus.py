"""A real Prometheus from Debian's package, scraping what it is told to, and asked over its own API."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from integration.daemon import Daemon
from integration.monitoring.promtool import PROMETHEUS
from integration.servers import free_port


class Prometheus:
    """Runs Prometheus with a configuration in an empty folder until its `with` block ends."""

    def __init__(self, folder: Path, configuration: str) -> None:
        self.port = free_port()
        (folder / "prometheus.yml").write_text(configuration)
        self._daemon = Daemon(
            [
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            folder,
        )

    def __enter__(self) -> Self:
        self._daemon.wait_until(self._is_ready, "Prometheus")
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def query(self, expression: str) -> dict[str, float]:
        """Returns the value of an expression for each instance."""
        found = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in found["data"]["result"]}

    def targets(self) -> list[dict[str, Any]]:
        """Returns what Prometheus thinks of its targets."""
        found: list[dict[str, Any]] = self._get("/api/v1/targets")["data"]["activeTargets"]
        return found

    def _is_ready(self) -> bool:
        try:
            self._get("/api/v1/status/runtimeinfo")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

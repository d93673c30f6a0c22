"""Prometheus from Debian's package, which scrapes pages of metrics and evaluates rules."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from integration.daemon import PATIENCE, Daemon
from integration.monitoring.promtool import PROMETHEUS
from integration.servers import free_port

Job = Mapping[str, Any]


def plain(address: str, path: str = "/metrics") -> Job:
    """Returns a job that scrapes a page of metrics."""
    return {"metrics_path": path, "static_configs": [{"targets": [address]}]}


def probing(exporter: str, module: str, targets: Iterable[str], **more: object) -> Job:
    """Returns a job that has an exporter at an address probe targets, with the relabelling that its users write."""
    return {
        "metrics_path": "/probe",
        "params": {"module": [module]},
        "static_configs": [{"targets": [*targets]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": exporter},
        ],
        **more,
    }


class Prometheus:
    """One Prometheus with an empty memory; it scrapes each job every second, or as the settings say."""

    def __init__(self, folder: Path, jobs: Mapping[str, Job], rules: Iterable[Path] = (), **settings: str) -> None:
        scrapes = [{"job_name": name, **job} for name, job in jobs.items()]
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s", **settings}
        # JSON is YAML.
        configuration = {"global": every, "rule_files": [str(path) for path in rules], "scrape_configs": scrapes}
        file = folder / "prometheus.yml"
        file.write_text(json.dumps(configuration))
        self._address = f"127.0.0.1:{free_port()}"
        words = (f"--config.file={file}", f"--storage.tsdb.path={folder}", f"--web.listen-address={self._address}")
        self._daemon = Daemon([PROMETHEUS, *words], folder)

    def __enter__(self) -> Self:
        self._daemon.wait_until(self._is_ready, "its API")
        return self

    def __exit__(self, *exception: object) -> None:
        self._daemon.stop()

    def ask(self, path: str, **parameters: str) -> Any:
        """Returns what the API says to a request."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters}: {error.read().decode()}") from None

    def query(self, text: str) -> list[dict[str, Any]]:
        """Returns the series that a query gives at the moment; ValueError when it cannot be understood."""
        found: list[dict[str, Any]] = self.ask("query", query=text)["result"]
        return found

    def values(self, text: str) -> dict[str, float]:
        """Returns the values of a query by instance."""
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in self.query(text)}

    def wait_for(self, text: str) -> list[dict[str, Any]]:
        """Returns the series that a query gives as soon as there is one."""
        end = time.monotonic() + PATIENCE
        while not (found := self.query(text)):
            if time.monotonic() > end:
                raise TimeoutError(f"nothing for {text} within {PATIENCE} s: {self._daemon.output[-2000:]}")
            time.sleep(0.05)
        return found

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=1).close()
        except OSError:
            return False
        return True

"""Icinga 2 from Debian's packages, with its API on loopback."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from integration.certificates import NAME, Authority
from integration.daemon import Daemon
from integration.monitoring.service import Key, Service
from integration.servers import UNPACKED, free_port

INCLUDE = UNPACKED / "usr/share/icinga2/include"
USER, PASSWORD = "survey", 'p"ss w\\rd'


def program() -> Path:
    """Where the executable lies, behind the architecture's name."""
    (found,) = UNPACKED.glob("usr/lib/*/icinga2/sbin/icinga2")
    return found


class Icinga:
    """One Icinga 2, in an empty folder; its configuration may change from start to start, its state is kept."""

    def __init__(self, folder: Path, *, notifies: bool = False) -> None:
        self.folder = folder
        self._notifies = notifies
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.user, self.password = USER, PASSWORD
        authority = Authority(_made(folder / "authority"))
        self.ca_file = authority.certificate
        now = datetime.now(UTC)
        issued = authority.issue("icinga", now - timedelta(days=1), now + timedelta(days=30))
        store = _made(folder / "data" / "certs")
        shutil.copy(issued.path, store / f"{NAME}.crt")
        shutil.copy(issued.key, store / f"{NAME}.key")
        shutil.copy(self.ca_file, store / "ca.crt")
        self._configuration = folder / "icinga2.conf"
        self._daemon: Daemon | None = None
        self._context = ssl.create_default_context(cafile=self.ca_file)
        _made(folder / "run")

    def start(self, configuration: str, *files: Path, constants: Mapping[str, str] = {}, library: bool = True) -> None:
        """Writes the configuration and starts; files are included before it, constants are defined before those.

        The ITL is there, with its commands for plugins if wanted; the constant PluginDir says where those lie. Returns
        when the API answers.
        """
        self.configure(configuration, *files, constants=constants, library=library)
        self.restart()

    def configure(
        self, configuration: str, *files: Path, constants: Mapping[str, str] = {}, library: bool = True
    ) -> None:
        """Only writes the configuration."""
        defined = {"NodeName": NAME, "ZoneName": NAME, "PluginDir": "/usr/lib/nagios/plugins", **constants}
        lines = [f"const {name} = {_quoted(value)}" for name, value in defined.items()]
        lines += ["include <itl>", *(["include <plugins>"] if library else [])]
        lines += [
            'object CheckerComponent "checker" { }',
            f'object IcingaApplication "app" {{ enable_notifications = {str(self._notifies).lower()} }}',
            "object Endpoint NodeName { }",
            "object Zone ZoneName { endpoints = [ NodeName ] }",
            f'object ApiListener "api" {{ bind_host = "127.0.0.1", bind_port = {self.port} }}',
            f"object ApiUser {_quoted(self.user)} {{",
            f'  password = {_quoted(self.password)}, permissions = [ "*" ]',
            "}",
        ]
        lines += [f"include {_quoted(path)}" for path in files]
        self._configuration.write_text("\n".join([*lines, configuration, ""]))

    def verify(self) -> subprocess.CompletedProcess[str]:
        """Lets `icinga2 daemon -C` judge the configuration."""
        return subprocess.run([*self._words(), "-C"], capture_output=True, text=True, timeout=600, check=False)

    def restart(self) -> None:
        """Stops it in good order, if it runs, and starts it again with what it has kept."""
        self.stop()
        self._daemon = Daemon(self._words(), self.folder)
        self._daemon.wait_until(self._is_ready, "an answer of its API")

    def stop(self) -> None:
        """Ends it as init would, so that it keeps its state."""
        if self._daemon is not None:
            self._daemon.end(signal.SIGTERM)
            self._daemon = None

    def ask(self, path: str, body: object = None) -> Any:
        """Sends a request to the API, /v1 left out: a GET, or a POST of the body, as JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, {"Accept": "application/json"})
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=60, context=self._context) as answer:
            return json.load(answer)

    def check_all(self) -> None:
        """Lets it check every service at once, instead of at some time of its interval."""
        self.ask("actions/reschedule-check", {"type": "Service", "filter": "true", "force": True})

    def services(self) -> dict[Key, Service]:
        """Asks the API for every service."""
        found = (row["attrs"] for row in self.ask("objects/services")["results"])
        return {(row["host_name"], row["name"]): _service(row) for row in found}

    def _words(self) -> list[str | Path]:
        data, run = self.folder / "data", self.folder / "run"
        paths = {
            "DataDir": data,
            "LogDir": data,
            "CacheDir": data,
            "SpoolDir": data,
            "InitRunDir": run,
            "PidPath": run / "icinga2.pid",
            "ConfigDir": self.folder,
            "StatePath": data / "icinga2.state",
            "ModAttrPath": data / "modified-attributes.conf",
            "ObjectsPath": data / "icinga2.debug",
            "VarsPath": data / "icinga2.vars",
            "RunAsUser": "root",
            "RunAsGroup": "root",
        }
        words: list[str | Path] = [program(), "daemon", "-I", INCLUDE, "-c", self._configuration]
        for name, value in paths.items():
            words += ["-D", f"{name}={value}"]
        return words

    def _is_ready(self) -> bool:
        try:
            self.ask("status/IcingaApplication")
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _service(row: Mapping[str, Any]) -> Service:
    result = row["last_check_result"] or {}
    output, _, more = str(result.get("output", "")).partition("\n")
    return Service(
        state=int(row["state"]),
        hard=row["state_type"] == 1,
        attempt=int(row["check_attempt"]),
        output=output,
        long_output=more,
        perfdata=" ".join(map(str, result.get("performance_data") or ())),
        active=bool(result.get("active")),
        time=float(result.get("execution_end", 0)),
    )

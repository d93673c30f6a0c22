"""Nagios Core from Debian's package, with every interval in seconds."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from integration.daemon import Daemon
from integration.monitoring.service import Key, Service
from integration.servers import UNPACKED

PROGRAM = UNPACKED / "usr/sbin/nagios4"

# What a test waits for happens at once, and nothing leaves this machine.
SETTINGS = {
    "interval_length": "1",
    "status_update_interval": "1",
    "check_result_reaper_frequency": "1",
    "service_freshness_check_interval": "1",
    "check_service_freshness": "1",
    "additional_freshness_latency": "0",
    "service_inter_check_delay_method": "n",
    "max_service_check_spread": "1",
    "cached_service_check_horizon": "0",
    "check_external_commands": "1",
    "enable_notifications": "0",
    "enable_flap_detection": "0",
    "check_for_updates": "0",
    "use_syslog": "0",
    "retain_state_information": "1",
    "use_retained_program_state": "0",
    "use_retained_scheduling_info": "0",
    "log_service_retries": "1",
    "log_passive_checks": "0",
    "log_external_commands": "0",
    "log_rotation_method": "n",
    "daemon_dumps_core": "0",
    # As in Debian's nagios.cfg.
    "illegal_macro_output_chars": "`~$&|'\"<>",
    "illegal_object_name_chars": "`~!$%^&*|'\"<>?,()=",
}


class Nagios:
    """One Nagios, in an empty folder; its objects and macros may change from start to start, its state is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command_file = folder / "nagios.cmd"
        self.check_results = folder / "checkresults"
        """The spool folder, check_result_path."""
        self.objects_cache = folder / "objects.cache"
        self.status_file = folder / "status.dat"
        self.log_file = folder / "nagios.log"
        self._configuration = folder / "nagios.cfg"
        self._daemon: Daemon | None = None
        self.check_results.mkdir()

    def start(self, objects: str, *files: Path, macros: Mapping[str, str], settings: Mapping[str, str] = {}) -> None:
        """Writes the configuration and starts; files are further object files, macros those of resource.cfg.

        A macro is written `$USER1$`. Returns when the command file and a new status file are there.
        """
        self.configure(objects, *files, macros=macros, settings=settings)
        self.restart()

    def configure(
        self, objects: str, *files: Path, macros: Mapping[str, str], settings: Mapping[str, str] = {}
    ) -> None:
        """Only writes the configuration."""
        own = self.folder / "objects.cfg"
        own.write_text(objects)
        resource = self.folder / "resource.cfg"
        resource.write_text("".join(f"{name}={value}\n" for name, value in macros.items()))
        paths = {
            "log_file": self.log_file,
            "resource_file": resource,
            "object_cache_file": self.objects_cache,
            "precached_object_file": self.folder / "objects.precache",
            "status_file": self.status_file,
            "command_file": self.command_file,
            "query_socket": self.folder / "nagios.qh",
            "lock_file": self.folder / "nagios.pid",
            "temp_file": self.folder / "nagios.tmp",
            "temp_path": self.folder,
            "check_result_path": self.check_results,
            "state_retention_file": self.folder / "retention.dat",
            # This host's own user: the namespaces of integration/run are the fence.
            "nagios_user": "root",
            "nagios_group": "root",
        }
        lines = [f"cfg_file={path}" for path in (own, *files)]
        lines += [f"{name}={value}" for name, value in {**SETTINGS, **paths, **settings}.items()]
        self._configuration.write_text("\n".join([*lines, ""]))

    def verify(self) -> subprocess.CompletedProcess[str]:
        """Lets `nagios4 -v` judge the configuration."""
        words: list[str | Path] = [PROGRAM, "-v", self._configuration]
        return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)

    def restart(self) -> None:
        """Stops it in good order, if it runs, and starts it again with what it has kept."""
        self.stop()
        self.status_file.unlink(missing_ok=True)
        self._daemon = Daemon([PROGRAM, self._configuration], self.folder)
        self._daemon.wait_until(self._is_ready, "its status file")

    def stop(self) -> None:
        """Ends it as init would, so that it keeps its state."""
        if self._daemon is not None:
            self._daemon.end(signal.SIGTERM)
            self._daemon = None
            # It removes the pipe at its end; killed, it would not.
            self.command_file.unlink(missing_ok=True)

    def command(self, line: str) -> None:
        """Hands in an external command, of this moment."""
        with self.command_file.open("w") as file:
            file.write(f"[{time.time():.0f}] {line}\n")

    def services(self) -> dict[Key, Service]:
        """Reads the status file."""
        try:
            text = self.status_file.read_text(errors="surrogateescape")
        except FileNotFoundError:
            return {}
        return {(block["host_name"], block["service_description"]): _service(block) for block in _blocks(text)}

    def _is_ready(self) -> bool:
        return self.status_file.exists() and self.command_file.is_fifo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for part in text.split("\nservicestatus {\n")[1:]:
        yield dict(line.strip().split("=", 1) for line in part.partition("\n\t}")[0].splitlines() if "=" in line)


def _service(block: Mapping[str, str]) -> Service:
    return Service(
        state=int(block["current_state"]),
        hard=block["state_type"] == "1",
        attempt=int(block["current_attempt"]),
        output=block["plugin_output"],
        # Nagios writes a line end as two characters, and leaves a backslash as it is.
        long_output=block["long_plugin_output"].replace("\\n", "\n"),
        perfdata=block["performance_data"],
        active=block["check_type"] == "0",
        time=float(block["last_check"]),
    )

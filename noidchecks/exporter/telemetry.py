"""The exporter's metrics about itself and about its process."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

from .. import __version__
from ..exposition import family, label_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "noidchecks_exporter"


class Telemetry:
    """The counters of the exporter."""

    def __init__(self) -> None:
        self.probes: Counter[tuple[str, str]] = Counter()
        self.answers: Counter[int] = Counter()
        self.unknown_modules = 0
        self.dropped_clients = 0
        self.reload_successful = True
        self.reloaded = time.time()

    def reload(self, successful: bool) -> None:
        """Records an attempt to read the modules file."""
        self.reload_successful = successful
        if successful:
            self.reloaded = time.time()

    def lines(self, *, running: int, waiting: int, clients: int, modules: int) -> Iterator[str]:
        """Yields the page of metrics."""
        info = {"version": __version__, "python": sys.version.partition(" ")[0]}
        yield from family(f"{_PREFIX}_build_info", "gauge", "What this exporter is", [(label_pairs(info), 1)])
        results = [
            (label_pairs({"module": module, "result": result}), count)
            for (module, result), count in sorted(self.probes.items())
        ]
        yield from family(f"{_PREFIX}_probes_total", "counter", "Probes by module and result", results)
        answers = [(label_pairs({"code": str(code)}), count) for code, count in sorted(self.answers.items())]
        yield from family(f"{_PREFIX}_responses_total", "counter", "HTTP responses by status", answers)
        for name, kind, text, value in (
            (
                "module_unknown_total",
                "counter",
                "Requests that named a module that does not exist",
                self.unknown_modules,
            ),
            (
                "clients_dropped_total",
                "counter",
                "Clients that were hung up on for their silence",
                self.dropped_clients,
            ),
            ("config_last_reload_successful", "gauge", "Whether the modules file was in order", self.reload_successful),
            (
                "config_last_reload_success_timestamp_seconds",
                "gauge",
                "When it was last in order, in seconds since 1970",
                self.reloaded,
            ),
            ("modules", "gauge", "Modules", modules),
            ("probes_running", "gauge", "Probes under way", running),
            ("probes_waiting", "gauge", "Requests that wait for their turn", waiting),
            ("clients", "gauge", "Clients that are connected", clients),
        ):
            yield from family(f"{_PREFIX}_{name}", kind, text, [("", value)])
        yield from _process()


def _stat() -> list[str]:
    """Returns the fields of /proc/self/stat (proc(5)) after the name of the program."""
    return Path("/proc/self/stat").read_text().rpartition(")")[2].split()


@cache
def _began() -> float:
    """Returns the start time of the process, in seconds since 1970.

    Cached, because every reading of the clocks gives a slightly different number, and users count changes as restarts.
    """
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + int(_stat()[19]) / os.sysconf("SC_CLK_TCK")


def _process() -> Iterator[str]:
    """Yields the process metrics that all client libraries of Prometheus have, with the same names."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fields = _stat()
    page = resource.getpagesize()
    for name, kind, text, value in (
        ("cpu_seconds_total", "counter", "CPU seconds, user and system", used.ru_utime + used.ru_stime),
        ("start_time_seconds", "gauge", "When the process began", _began()),
        ("virtual_memory_bytes", "gauge", "Virtual memory", int(fields[20])),
        ("resident_memory_bytes", "gauge", "Resident memory", int(fields[21]) * page),
        ("open_fds", "gauge", "Open descriptors", len(os.listdir("/proc/self/fd"))),
        ("max_fds", "gauge", "Descriptors that may be open", soft),
        ("threads", "gauge", "Threads", int(fields[17])),
    ):
        yield from family(f"process_{name}", kind, text, [("", value)])

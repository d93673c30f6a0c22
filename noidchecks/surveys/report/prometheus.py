"""Writes a file for the textfile collector of Prometheus' node exporter, with the newest result of every service."""

from __future__ import annotations

import math

from ...atomic import write_atomic
from ...exposition import head, label_pairs, sample
from ..destination import Outcome, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .record import Record

_FAMILIES = (
    ("noidchecks_state", "State of the service: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"),
    ("noidchecks_duration_seconds", "Seconds that the check took"),
    ("noidchecks_last_check_timestamp_seconds", "When the check ended, in seconds since 1970"),
    ("noidchecks_performance", "A value of the performance data, in the unit that the plugin gives"),
)
_SINGLE = len(_FAMILIES) - 1


class PrometheusFile(Report):
    """A file that is replaced atomically every few seconds once every service has had a result.

    Prometheus resolves the alerts of services that are missing from the file. Therefore a new survey leaves the file of
    an earlier one in place until it has results of all services, and does not write it at all if it ends before. A
    service that a reload adds appears with its first result: it was not in the file before, and waiting for it would
    delay all others.
    """

    batch = 10_000
    pause = 5.0

    def __init__(self, path: str) -> None:
        self._path = path
        self._samples: dict[bytes, list[bytes]] = {}
        self._expected: frozenset[bytes] = frozenset()
        self._was_complete = False

    def pack(self, record: Record) -> bytes:
        """Returns a line with the labels, followed by a line for each sample."""
        service = _labels(record.host, record.service)
        values = [int(record.state), record.finished - record.started, record.finished]
        lines = [f"{{{service}}}\n"]
        lines += [sample(name, service, value) for (name, _), value in zip(_FAMILIES, values, strict=False)]
        for label, value, unit in record.values:
            if value is not None and math.isfinite(value):
                more = f"{service},{label_pairs({'label': label, 'unit': unit})}"
                lines.append(sample(_FAMILIES[_SINGLE][0], more, value))
        return "".join(lines).rstrip("\n").encode()

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Stores the samples, and writes the file if it is or was complete; raises OSError."""
        expected = self._expected
        for record in records:
            service, *lines = self.pack(record).split(b"\n")
            self._samples[service] = lines
        if self._was_complete or (expected and expected <= self._samples.keys()):
            self._samples = {service: lines for service, lines in self._samples.items() if service in expected}
            self._write()
            self._was_complete = True
            self.held = 0
        else:
            self.held += len(records)
        return Outcome()

    def expect(self, names: Collection[tuple[str, str]]) -> None:
        """Sets the services; all others are removed from the file."""
        self._expected = frozenset(f"{{{_labels(host, service)}}}".encode() for host, service in names)

    def _write(self) -> None:
        parts: list[bytes] = []
        for number, (name, help_text) in enumerate(_FAMILIES):
            parts.append(head(name, "gauge", help_text).encode().rstrip())
            for lines in self._samples.values():
                # The samples of a family must be consecutive.
                parts += lines[number : None if number == _SINGLE else number + 1]
        write_atomic(self._path, b"\n".join([*parts, b""]), mode=0o644)


def _labels(host: str, service: str) -> str:
    return label_pairs({"host": host, "service": service})

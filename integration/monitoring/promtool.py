"""Prometheus' own judgement of pages of metrics, from Debian's package."""

from __future__ import annotations

import subprocess

from integration.servers import UNPACKED

PROMETHEUS = UNPACKED / "usr" / "bin" / "prometheus"
PROMTOOL = UNPACKED / "usr" / "bin" / "promtool"


def complaints(page: bytes) -> str:
    """Returns what `promtool check metrics` has to say about a page, which is nothing when all is well."""
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True)
    told = (done.stdout + done.stderr).decode()
    assert bool(told) == bool(done.returncode), told
    return told

"""The machine's own network namespace as a host of the lab, and what its systemd says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable

from integration.lab.namespace import Namespace

PATIENCE = 300.0
"""Seconds until a state must have come: a process of Python takes seconds to start in here."""

_EXPOSURE = 2.0

Say = Callable[[str], None]
"""Adds words to the line of a step in the report."""


class Machine(Namespace):
    """The namespace that systemd and its services live in: the lab's balancer, and no namespace of ours to end."""

    def __init__(self) -> None:
        self.name = "balancer"
        self._fd = os.open("/proc/1/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._started = []


def run(*words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Runs a program to its end, and returns what it printed; RuntimeError at another exit code."""
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE
    )
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}")
    return done.stdout


def shown(unit: str, name: str) -> str:
    """Returns a property of a unit."""
    return run("systemctl", "show", "--value", f"--property={name}", unit).strip()


def until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> float:
    """Waits for a state, and returns the seconds that it took; RuntimeError when it does not come."""
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > patience:
            raise RuntimeError(f"after {patience:.0f} s still not: {what}")
        time.sleep(0.2)
    return time.monotonic() - begin


def states() -> dict[tuple[str, str], str]:
    """Returns the state of each backend, by farm and name, as `noidlb status --json` says."""
    found = {}
    for farm in json.loads(run("noidlb", "status", "--json"))["farms"]:
        for backend in farm["backends"]:
            found[farm["name"], backend["name"]] = backend["state"]
    return found


def exposure(unit: str) -> str:
    """Returns what `systemd-analyze security` says of a unit, 0 to 10; RuntimeError above 2.0."""
    said = run("systemd-analyze", "security", "--no-pager", unit)
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    if not found or float(found[1]) > _EXPOSURE:
        raise RuntimeError(said)
    return found[1]

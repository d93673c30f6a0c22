"""Runs what the host of this machine sends over the second serial line: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import tty
from pathlib import Path

from integration.machine.inside.report import PORT
from integration.machine.inside.system import run

WORD = "machine.agent"
"""The word on the kernel's command line that asks for it."""


def is_wanted() -> bool:
    """Whether this boot is one in which the host decides what is done."""
    return WORD in Path("/proc/cmdline").read_text().split()


def serve() -> None:
    """Tells the host that the machine has booted, and runs its shell scripts in turn, until the machine ends.

    A request has a `script` and its `patience` in seconds; the answer has `code` and `output`, and a code of 124 when
    the patience ended.
    """
    descriptor = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
    # No echo, no line editing.
    tty.setraw(descriptor)
    with open(descriptor, "rb", closefd=False) as requests:
        _write(descriptor, {"booted": Path("/proc/sys/kernel/random/boot_id").read_text().strip()})
        run("systemd-notify", "--ready")
        for line in requests:
            request = json.loads(line)
            _write(descriptor, {"id": request["id"], **_done(request["script"], request["patience"])})


def _done(script: str, patience: float) -> dict[str, object]:
    try:
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=patience,
        )
    except subprocess.TimeoutExpired as error:
        return {"code": 124, "output": (error.output or b"").decode(errors="replace")}
    return {"code": done.returncode, "output": done.stdout.decode(errors="replace")}


def _write(descriptor: int, message: dict[str, object]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]

"""A guardian for benchmarks of its clients: it answers each request with what a real one said, and does nothing."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

_BACKENDS = [
    {
        "name": name,
        "address": ["10.0.1.11"],
        "port": None,
        "weight": 1,
        "state": "up",
        "word": None,
        "share": 0.5,
        "current": 3,
        "total": 7,
        "guardian": {"state": "up", "reason": "", "since": None, "seconds": 0.002, "flaps": 0},
        "lost": [],
    }
    for name in ("b1", "b2")
]
_FARM = {
    "name": "ftp",
    "protocol": "ftp",
    "mode": "snat",
    "services": ["tcp 192.0.2.10 21"],
    "state": "serving",
    "backends": _BACKENDS,
    "families": {"ipv4": "serving"},
}
_ANSWERS: dict[str, dict[str, object]] = {
    "status": {"status": {"version": 1, "farms": [_FARM]}, "digest": "0" * 64, "sticky": {}},
    "say": {"lines": ["backend ftp/b1: drain"]},
}


def _serve(listener: socket.socket, core: int) -> None:
    os.sched_setaffinity(0, {core})
    answers = {verb: json.dumps({"ok": True, **answer}).encode() + b"\n" for verb, answer in _ANSWERS.items()}
    while True:
        client, _ = listener.accept()
        with client, client.makefile("rb") as lines:
            client.sendall(answers[json.loads(next(lines))["do"]])


@contextmanager
def guarded(core: int, folder: Path) -> Iterator[Path]:
    """Runs it on one core in a process of its own; yields the path of its control socket."""
    path = folder / "control"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = get_context("fork").Process(target=_serve, args=(listener, core), daemon=True)
        process.start()
        try:
            yield path
        finally:
            process.kill()
            process.join()

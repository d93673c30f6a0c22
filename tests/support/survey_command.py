"""The command `noidchecks survey` as its users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noidchecks import cli
from noidchecks.cli import main
from tests.support.peers import Peer
from tests.support.waiting import until

PATIENCE = 30.0
# Sends a SIGHUP to the process that executes it, while the command starts.
EARLY_HANGUP = (
    "import os, signal, noidchecks.descriptors as d; d.raise_limit = lambda: os.kill(os.getpid(), signal.SIGHUP)"
)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}


def survey(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["survey", *map(str, arguments)])
    assert isinstance(end.value.code, int)
    return int(end.value.code)


def line(host: str, peer: Peer, *words: str) -> str:
    return f"{host}\tftp\t{' '.join(['check_ftp', '-H', peer.host, '-p', str(peer.port), *words])}\n"


@contextmanager
def running(*arguments: object, before: str = "pass") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Runs a survey as a process, which executes a statement before; what it says goes into the file."""
    folder = Path(str(arguments[0])).parent
    words = [sys.executable, "-c", f"{before}; from noidchecks.cli import main; main()", "survey"]
    words += map(str, arguments)
    with (folder / "said").open("w") as said, (folder / "results").open("w") as results:
        process = subprocess.Popen(
            words, stdout=results, stderr=said, stdin=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
    try:
        yield process, folder
    finally:
        process.kill()
        process.communicate()


def wait_for(path: Path, text: str, count: int = 1) -> None:
    until(lambda: path.read_text().count(text) >= count, PATIENCE, path.read_text)

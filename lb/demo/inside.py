"""The demonstration in namespaces of its own: `noidlb guard` balances, a client fetches through the VIP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import click
from noidlb.demo import stage
from noidlb.demo.cast import Cast, Failed, end, start
from noidlb.demo.play import perform
from noidlb.demo.scene import HOSTS, VIP, farms
from noidlb.guardian.lock import GuardError
from noidlb.nft.run import KernelError
from noidlb.service.client import ask
from noidlb.status import FarmStatus, from_document

_PATIENCE = 10.0


class Namespaces:
    """Where it is played as it is meant."""

    hosts = HOSTS

    def __init__(self, folder: Path) -> None:
        self.cast = Cast(folder, lambda host, words: stage.within(host.name, *words), lambda host: host.address)
        self._folder = folder
        self._socket = folder / "control"
        self._guard: subprocess.Popen[str] | None = None
        self._client: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.cast.__enter__()
        file = self._folder / "farms.toml"
        file.write_text(farms())
        command = (sys.executable, "-P", "-c", "from noidlb.cli.main import main; main()", "guard", str(file))
        options = ("--state-dir", str(self._folder / "state"), "--socket", str(self._socket), "--log", "json")
        with (self._folder / "guard.log").open("wb") as log:
            self._guard = start((*command, *options), log.fileno())
        words = stage.within("client", sys.executable, "-P", "-m", "noidlb.demo.client", VIP)
        self._client = start(words)
        return self

    def __exit__(self, *error: object) -> None:
        self.cast.__exit__(*error)
        for process in filter(None, (self._guard, self._client)):
            process.terminate()
            end(process)

    def status(self) -> tuple[FarmStatus, ...]:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                answer = ask(self._socket, {"do": "status"}, timeout=_PATIENCE)
            except GuardError:
                answer = None
            if answer is not None:
                return from_document(answer["status"])
            if self._guard is not None and self._guard.poll() is not None:
                said = (self._folder / "guard.log").read_text(errors="replace").strip().splitlines()
                raise Failed(f"the guardian did not start: {said[-1] if said else 'it said nothing'}")
            time.sleep(0.05)
        raise Failed("the guardian does not answer")

    def fetch(self) -> Mapping[str, Mapping[str, object]]:
        client = self._client
        assert client is not None, "it was started"  # noqa: S101
        assert client.stdin is not None, "as start() does"  # noqa: S101
        assert client.stdout is not None, "as start() does"  # noqa: S101
        client.stdin.write("\n")
        client.stdin.flush()
        found: dict[str, dict[str, object]] = json.loads(client.stdout.readline() or "{}")
        if not found:
            raise Failed("the client has ended")
        return found


def main() -> int:
    """Plays it, and returns the exit code."""
    try:
        stage.build()
        with TemporaryDirectory(prefix="noidlb-demo-") as folder, Namespaces(Path(folder)) as theatre:
            return 0 if perform(theatre, click.echo) else 2
    except BrokenPipeError:
        # Whoever read has left; the interpreter must not find that out again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (Failed, KernelError) as error:
        click.echo(f"The demonstration is over: {error}.")
        return 3


if __name__ == "__main__":
    sys.exit(main())

"""What `noidlb guard` does."""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path

import click

from ..events import EventLog, to_json, to_text
from ..service.log import LineWriter
from ..service.places import socket_path
from ..service.service import Options, Service
from ..service.state import StateFolder


def run_guardian(
    file: str, folder: str, socket: str | None, *, log: str, hook: str | None, metrics: str, run_dir: str
) -> int:
    """Runs a guardian until SIGTERM or SIGINT, prints its events as text or json, and returns the exit code."""
    options = Options(
        file=os.path.abspath(file),
        folder=StateFolder(folder),
        socket=Path(socket_path(folder, socket)),
        hook=_words(hook),
        metrics=metrics,
        run_folder=Path(run_dir),
    )
    events = EventLog()
    writer = LineWriter(1)
    write = to_json if log == "json" else to_text
    events.subscribe(lambda event: writer.write(write(event)))

    async def run() -> int:
        return await Service(options, events).run()

    try:
        return asyncio.run(run())
    finally:
        writer.close()


def _words(hook: str | None) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(hook or ""))
    except ValueError as error:
        raise click.BadParameter(f"{error}, in {hook!r}", param_hint="'--hook'") from None
    if hook is not None and not (words and words[0]):
        raise click.BadParameter("it must begin with a program", param_hint="'--hook'")
    return words

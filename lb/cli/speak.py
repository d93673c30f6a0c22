"""Sends the requests of commands to a running guardian."""

from __future__ import annotations

import click

from ..errors import GuardError
from ..service.client import ask, require_nobody
from ..service.places import socket_path
from ..service.protocol import Answer, Request


def speak(folder: str, socket: str | None, request: Request, *, file: str | None = None) -> Answer | None:
    """Returns the running guardian's answer, None when none runs; UsageError when one runs and file is given."""
    path = socket_path(folder, socket)
    if file is not None and (ask(path, {"do": "events", "limit": 0}, timeout=10.0) is not None):
        raise click.UsageError("--file is for when no guardian runs: it has a file of its own, see noidlb reload")
    answer = ask(path, request)
    if answer is None:
        require_nobody(path)
    return answer


def speak_lines(folder: str, socket: str | None, request: Request, *, file: str | None = None) -> bool:
    """Sends a request, prints the lines of the answer, and returns whether a guardian runs."""
    answer = speak(folder, socket, request, file=file)
    if answer is None:
        return False
    for line in answer.get("lines", ()):
        click.echo(line)
    return True


def require_no_guardian(folder: str, socket: str | None) -> None:
    """Raises GuardError when a guardian runs: only the guardian may then change the table."""
    path = socket_path(folder, socket)
    if ask(path, {"do": "events", "limit": 0}, timeout=10.0) is not None:
        raise GuardError("a guardian runs, and applies its file itself: noidlb reload lets it read the file again")
    require_nobody(path)

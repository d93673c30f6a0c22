"""The commands of `noidlb` that begin a guardian or speak to one that runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..events import Event, from_dict, to_json, to_text
from ..guardian.lock import GuardError
from ..service.client import NoGuardian, ask, follow, require_nobody
from ..service.protocol import Answer, Request, socket_path
from ..service.state import DEFAULT_FOLDER, StateFolder
from .names import DEFAULT_FILE, backend_names, farm_names
from .pair import run_option

Command = TypeVar("Command", bound=Callable[..., Any])

state_option = click.option(
    "--state-dir",
    "folder",
    envvar="NOIDLB_STATE",
    default=DEFAULT_FOLDER,
    show_default=True,
    type=click.Path(),
    callback=lambda _context, _parameter, value: StateFolder(value),
    help="Where the operator's words are kept.",
)
cut_option = click.option("--cut", is_flag=True, help="End established flows too.")
file_argument = click.argument("file", envvar="NOIDLB_FILE", default=DEFAULT_FILE, type=click.Path())
other_file_option = click.option("--file", type=click.Path(), help="Take this configuration, not the one applied last.")
socket_option = click.option(
    "--socket",
    envvar="NOIDLB_SOCKET",
    type=click.Path(),
    help="Where the guardian is spoken to, /run/noidlb/control unless --state-dir is another: then it is in there.",
)


def speak(folder: StateFolder, socket: str | None, request: Request, *, file: str | None = None) -> Answer | None:
    """Returns the running guardian's answer, or None when none runs; file is another configuration that was named."""
    path = socket_path(folder.path, socket)
    if file is not None and (ask(path, {"do": "events", "limit": 0}, timeout=10.0) is not None):
        raise click.UsageError("--file is for when no guardian runs: it has a file of its own, see noidlb reload")
    answer = ask(path, request)
    if answer is None:
        require_nobody(path)
    return answer


def speak_lines(folder: StateFolder, socket: str | None, request: Request, *, file: str | None = None) -> bool:
    """Lets a running guardian do it, prints what it says, and tells whether there is one."""
    answer = speak(folder, socket, request, file=file)
    if answer is None:
        return False
    for line in answer.get("lines", ()):
        click.echo(line)
    return True


def require_no_guardian(folder: StateFolder, socket: str | None) -> None:
    """Raises GuardError when a guardian runs, which is the only one that may change its table."""
    path = socket_path(folder.path, socket)
    if ask(path, {"do": "events", "limit": 0}, timeout=10.0) is not None:
        raise GuardError("a guardian runs, and applies its file itself: noidlb reload lets it read the file again")
    require_nobody(path)


def _hook(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(value or ""))
    except ValueError as error:
        raise click.BadParameter(f"{error}, in {value!r}") from None
    if value is not None and not (words and words[0]):
        raise click.BadParameter("it must begin with a program")
    return words


@click.command()
@file_argument
@click.option("--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How events look.")
@click.option("--hook", metavar="COMMAND", callback=_hook, help="Command to run for each event, without a shell.")
@click.option("--metrics", metavar="ADDRESS:PORT", default="", help="Where Prometheus finds metrics.")
@run_option
@socket_option
@state_option
def guard(
    file: str,
    log: str,
    hook: tuple[str, ...],
    metrics: str,
    run_dir: Path,
    socket: str | None,
    folder: StateFolder,
) -> int:
    """Applies the farms and watches their backends in the foreground, until SIGTERM or Ctrl-C.

    Backends that fail get no new clients until they answer again. SIGHUP, or noidlb reload, reads FILE again. When it
    ends the table stays as it is. Events are printed on standard output.
    """
    # No other command pays for asyncio.
    import asyncio

    from ..events import EventLog
    from ..service.log import LineWriter
    from ..service.service import Options, Service

    options = Options(
        file=os.path.abspath(file),
        folder=folder,
        socket=socket_path(folder.path, socket),
        hook=hook,
        metrics=metrics,
        run_folder=run_dir,
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


@click.command()
@cut_option
@socket_option
@state_option
def reload(cut: bool, socket: str | None, folder: StateFolder) -> int:
    """Lets the running guardian read its file again; when it is bad, the farms stay as they were.

    With --cut, the flows of backends that are no longer used end; otherwise those in TCP go on.
    """
    if not speak_lines(folder, socket, {"do": "reload", "cut": cut}):
        raise GuardError("no guardian runs: noidlb apply FILE applies a file without one")
    return 0


@click.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@click.argument("backend", required=False, shell_complete=backend_names)
@click.option("--follow", "-f", "follows", is_flag=True, help="Then print each new event, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for programs.")
@click.option("--limit", "-n", type=click.IntRange(0, 1000), default=100, show_default=True, help="Events to print.")
@socket_option
@state_option
def events(
    farm: str | None,
    backend: str | None,
    follows: bool,
    as_json: bool,
    limit: int,
    socket: str | None,
    folder: StateFolder,
) -> int:
    """Prints what the running guardian has seen and done; of one BACKEND with the dialogues of its last failures."""
    path = socket_path(folder.path, socket)
    request = {"do": "events", "farm": farm, "backend": backend, "limit": limit}

    def show(found: object) -> None:
        event = from_dict(found if isinstance(found, dict) else {})
        click.echo(to_json(event) if as_json else "\n".join(_lines(event, whole=backend is not None)))

    try:
        answers = follow(path, request) if follows else iter((_answer(path, request),))
        for answer in answers:
            for found in [answer["event"]] if "event" in answer else answer.get("events", ()):
                show(found)
    except NoGuardian:
        require_nobody(path)
        raise GuardError("no guardian runs, and only a guardian has events: noidlb guard FILE begins one") from None
    except KeyboardInterrupt:
        if not follows:
            raise
    return 0


def _answer(path: Path, request: Request) -> Answer:
    answer = ask(path, request)
    if answer is None:
        raise NoGuardian("no guardian runs")
    return answer


def _lines(event: Event, *, whole: bool) -> list[str]:
    return [to_text(event), *(f"    {line}" for line in event.transcript if whole)]

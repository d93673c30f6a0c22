"""The command `noidlb status`: what the kernel and a running guardian make of the farms."""

from __future__ import annotations

import time
from pathlib import Path

import click

from noidchecks.status.text import printable

from ..config.load import digest_of, read_text
from ..farm import FarmError
from ..nft import conntrack, fullness, nft as kernel
from ..nft.marks import Marks
from ..nft.run import KernelError
from ..role import Role, read_role
from ..service.direct import current, read_words
from ..service.state import StateError, StateFolder
from ..service.verbs import find
from ..status import FarmStatus, from_document, survey, to_json
from .guard import other_file_option, socket_option, speak, state_option
from .names import farm_names
from .pair import run_option
from .status_table import terminal, to_table


@click.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@other_file_option
@socket_option
@state_option
@run_option
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
@click.option(
    "--watch",
    type=click.FloatRange(0.1, 86400),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Print it again every 2 seconds, or as many as given, until Ctrl-C.",
)
def status(
    farm: str | None,
    file: str | None,
    socket: str | None,
    folder: StateFolder,
    run_dir: Path,
    as_json: bool,
    watch: float | None,
) -> int:
    """Shows farms and backends, or those of one FARM: state, weight, share of new clients, connections.

    A running guardian adds what it sees: up or down, how long its last answer took, since when and why. A node of a
    pair adds its role and the hash of its farms file, which must be the same on the other node.
    """
    try:
        while True:
            _show_status(farm, folder, socket, file, run_dir, as_json=as_json, clear=watch is not None)
            if watch is None:
                return 0
            time.sleep(watch)
    except KeyboardInterrupt:
        if watch is None:
            raise
        return 0


def _show_status(
    farm: str | None,
    folder: StateFolder,
    socket: str | None,
    file: str | None,
    run_dir: Path,
    *,
    as_json: bool,
    clear: bool,
) -> None:
    answer = speak(folder, socket, {"do": "status"}, file=file)
    if answer is None:
        statuses, remark = _look(folder, file)
    else:
        statuses, remark = from_document(answer["status"]), ""
    role, digest = read_role(run_dir), _digest(folder, file)
    statuses = statuses if farm is None else (find(statuses, farm),)
    if as_json:
        click.echo(to_json(statuses, role, digest))
        return
    if clear:
        click.clear()
    click.echo(to_table(statuses, terminal()))
    for line in _remembered(folder, file):
        click.echo(line)
    if role is not Role.ALONE:
        click.echo(f"this balancer's role in its pair: {role.value}")
        if digest is not None:
            click.echo(f"farms file: {digest[:12]}, as noidlb pair --hash must say on the other node")
    if remark:
        click.echo(remark)


def _remembered(folder: StateFolder, file: str | None) -> list[str]:
    """Returns how full the maps of sticky clients are, if a farm is sticky and the kernel gives the numbers."""
    try:
        farms = current(folder, file).farms
    except (StateError, FarmError, click.UsageError):
        return []
    if not any(farm.sticky for farm in farms):
        return []
    return [f"sticky clients of IPv{version}: {one.count} of {one.limit}" for version, one in fullness.sticky().items()]


def _digest(folder: StateFolder, file: str | None) -> str | None:
    """Returns the hash of the farms file; None when it cannot be read, and the rest is shown."""
    try:
        text = read_text(file) if file is not None else folder.applied()
    except (StateError, FarmError):
        return None
    return None if text is None else digest_of(text)


def _look(folder: StateFolder, file: str | None) -> tuple[tuple[FarmStatus, ...], str]:
    """Reads the kernel, which a running guardian does otherwise."""
    farms = current(folder, file).farms
    words = read_words(folder)
    found = kernel.read()
    flows = None
    try:
        flows = Marks(farms).flows(conntrack.count())
    except KernelError as error:
        click.echo(f"noidlb: warning: {printable(str(error))}", err=True)
    remark = "" if found else "there is no table in the kernel: nothing is balanced until noidlb apply or start"
    return survey(farms, words, found, flows), remark

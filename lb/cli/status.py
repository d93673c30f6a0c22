"""What `noidlb status` does: shows the state of farms in the kernel and their health in a running guardian."""

from __future__ import annotations

import time
from typing import NamedTuple

import click

from noidchecks.status.text import printable

from ..errors import LbError
from ..farm_status import FarmStatus, from_document, to_json
from ..role import Role, read_role
from ..service.lookup import find
from .codes import DONE
from .speak import speak
from .status_table import terminal, to_table


class _Seen(NamedTuple):
    """The data to show; sticky has the number of sticky clients and its limit by IP version, for sticky farms only."""

    farms: tuple[FarmStatus, ...]
    digest: str | None
    sticky: dict[str, tuple[int, int]]
    remark: str = ""


def print_status(
    farm: str | None,
    file: str | None,
    socket: str | None,
    folder: str,
    run_dir: str,
    *,
    as_json: bool,
    watch: float | None,
) -> int:
    """Prints the status of all farms or of one, again every watch seconds if given, and returns the exit code."""
    is_watching = False
    try:
        while True:
            try:
                _print(farm, _look(folder, socket, file), read_role(run_dir), as_json=as_json, clear=watch is not None)
            except LbError as error:
                if not is_watching:
                    raise
                # For example while the guardian is restarted, after which it answers again.
                click.echo(f"noidlb: {printable(str(error))}", err=True)
            if watch is None:
                return DONE
            is_watching = True
            time.sleep(watch)
    except KeyboardInterrupt:
        if watch is None:
            raise
        return DONE


def _print(farm: str | None, seen: _Seen, role: Role, *, as_json: bool, clear: bool) -> None:
    statuses = seen.farms if farm is None else (find(seen.farms, farm),)
    if as_json:
        click.echo(to_json(statuses, role, seen.digest))
        return
    if clear:
        click.clear()
    click.echo(to_table(statuses, terminal()))
    for version, (count, limit) in seen.sticky.items():
        click.echo(f"sticky clients of IPv{version}: {count} of {limit}")
    if role is not Role.ALONE:
        click.echo(f"this balancer's role in its pair: {role.value}")
        if seen.digest is not None:
            click.echo(f"farms file: {seen.digest[:12]}, as noidlb pair --hash must say on the other node")
    if seen.remark:
        click.echo(seen.remark)


def _look(folder: str, socket: str | None, file: str | None) -> _Seen:
    """Asks a running guardian, or else reads the kernel."""
    answer = speak(folder, socket, {"do": "status"}, file=file)
    if answer is None:
        return _read(folder, file)
    return _Seen(from_document(answer["status"]), answer.get("digest"), answer.get("sticky", {}))


def _read(folder: str, file: str | None) -> _Seen:
    # Imported here because a running guardian reads the kernel itself.
    from ..nft import conntrack, fullness, nft as kernel
    from ..nft.marks import Marks
    from ..nft.run import KernelError
    from ..service.state import StateFolder
    from ..status import statuses
    from .direct import current, read_overrides
    from .output import warn

    state = StateFolder(folder)
    configuration = current(state, file)
    farms, overrides = configuration.farms, read_overrides(state)
    found = kernel.read()
    flows = None
    try:
        flows = Marks(farms).flows(conntrack.count())
    except KernelError as error:
        warn((str(error),))
    return _Seen(
        statuses(farms, overrides, found, flows),
        configuration.digest,
        {str(version): (one.count, one.limit) for version, one in fullness.sticky(farms).items()},
        "" if found else "there is no table in the kernel: nothing is balanced until noidlb apply or start",
    )

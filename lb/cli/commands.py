"""Declares the commands of `noidlb`: arguments, options and help.

Each command imports its implementation when it runs. Importing all of them takes three times as long as importing
click, and a `noidlb drain` that a guardian carries out needs neither the reader of farms files nor nft.
"""

from __future__ import annotations

import math
from typing import Any

import click

from noidchecks import __version__
from noidchecks.command_group import CommandGroup

from ..role import DEFAULT_RUN
from .names import backend_names, farm_names, node_names
from .options import (
    PAIR_FOLDER,
    cut_option as _cut,
    file_argument as _file,
    json_option as _json,
    other_file_option as _other_file,
    pair_option as _pair_dir,
    run_option as _run_dir,
    socket_option as _socket,
    state_option as _state,
)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """FTP, TFTP and SFTP farms on nftables.

    Exit codes: 0 done, 1 something was found (check, diff, doctor, pair --check), 2 trouble with the kernel or the
    state folder, 3 wrong usage or configuration.
    """


@commands.command()
@_file
@_json
def check(file: str, as_json: bool) -> int:
    """Validates a configuration, and prints all that is wrong with it; touches nothing."""
    from .check import check_file

    return check_file(file, as_json=as_json)


@commands.command()
@_file
@_state
def show(file: str, folder: str) -> int:
    """Prints the nft text that apply would load into an empty kernel."""
    from .apply import show_file

    return show_file(file, folder)


@commands.command()
@_file
@_cut
@_socket
@_state
def apply(file: str, cut: bool, socket: str | None, folder: str) -> int:
    """Applies the farms to the kernel, and changes only what differs.

    With --cut, the flows of backends that are no longer used end; otherwise those in TCP go on.
    """
    from .apply import apply_file

    return apply_file(file, folder, socket, cut=cut)


def _word(name: str, text: str) -> None:
    @commands.command(name, help=text)
    @click.argument("farm", shell_complete=farm_names)
    @click.argument("backend", shell_complete=backend_names)
    @_cut
    @_other_file
    @_socket
    @_state
    def command(farm: str, backend: str, cut: bool, file: str | None, socket: str | None, folder: str) -> int:
        request = {"do": "say", "farm": farm, "backend": backend, "state": name, "cut": cut}
        from .operate import operate

        return operate(request, folder, socket, file)


_word("up", "Lets a backend get new clients again.")
_word("drain", "Gives a backend no new clients but its sticky ones; its flows go on.")
_word("down", "Gives a backend no clients at all; its TCP flows go on, unless --cut or cut-connections ends them.")


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@_cut
@_other_file
@_socket
@_state
def stop(farm: str | None, cut: bool, file: str | None, socket: str | None, folder: str) -> int:
    """Makes one farm, or all farms, refuse new clients; established flows go on.

    With --cut they end, and without FARM the table is removed as well, unless a guardian runs.
    """
    from .operate import operate

    return operate({"do": "stop", "farm": farm, "cut": cut}, folder, socket, file)


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@_other_file
@_socket
@_state
def start(farm: str | None, file: str | None, socket: str | None, folder: str) -> int:
    """Makes one farm, or all farms, serve again."""
    from .operate import operate

    return operate({"do": "start", "farm": farm}, folder, socket, file)


@commands.command()
@_file
@click.option(
    "--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format of the events."
)
@click.option("--hook", metavar="COMMAND", help="Command to run for each event, without a shell.")
@click.option("--metrics", metavar="ADDRESS:PORT", default="", help="Address of the metrics and the status page.")
@_run_dir
@_socket
@_state
def guard(file: str, log: str, hook: str | None, metrics: str, run_dir: str, socket: str | None, folder: str) -> int:
    """Applies the farms and checks their backends in the foreground, until SIGTERM or Ctrl-C.

    Backends that fail get no new clients until they recover. SIGHUP, or noidlb reload, reads FILE again. At the end the
    table stays as it is. Events are printed on standard output.
    """
    import signal

    # The service unblocks SIGHUP when it has a handler. Until then, the SIGHUP of a reload would end this process, and
    # systemd would take that for a clean exit.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    from .guard import run_guardian

    return run_guardian(file, folder, socket, log=log, hook=hook, metrics=metrics, run_dir=run_dir)


@commands.command()
@_cut
@_socket
@_state
def reload(cut: bool, socket: str | None, folder: str) -> int:
    """Makes the running guardian read its file again; when the file is wrong, the farms stay as they are.

    With --cut, the flows of backends that are no longer used end; otherwise those in TCP go on, unless cut-connections
    ends them.
    """
    from .operate import reload as reread

    return reread(folder, socket, cut=cut)


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@click.argument("backend", required=False, shell_complete=backend_names)
@click.option("--follow", "-f", "follows", is_flag=True, help="Go on with each new event, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--limit", "-n", type=click.IntRange(0, 1000), default=100, show_default=True, help="Events to print.")
@_socket
@_state
def events(
    farm: str | None,
    backend: str | None,
    follows: bool,
    as_json: bool,
    limit: int,
    socket: str | None,
    folder: str,
) -> int:
    """Prints the last events of the running guardian; for one BACKEND with the dialogues of its last failures."""
    from .events import print_events

    return print_events(farm, backend, folder, socket, follows=follows, as_json=as_json, limit=limit)


@commands.command()
@_file
@_socket
@_state
def diff(file: str, socket: str | None, folder: str) -> int:
    """Prints what apply would change in the kernel, in words and as nft text; exit code 1 for any change.

    While a guardian runs, these are the changes that it would make after a reload of FILE, with the health that it
    knows.
    """
    from .diff import print_difference

    return print_difference(file, folder, socket)


@commands.command()
@_other_file
@_json
@_socket
@_state
@_pair_dir
@_run_dir
def doctor(file: str | None, as_json: bool, socket: str | None, folder: str, pair_dir: str, run_dir: str) -> int:
    """Examines this machine for faults that keep farms from working, with cures; exit code 1 when there is one."""
    from .doctor import examine_all

    return examine_all(file, folder, socket, pair_dir, run_dir, as_json=as_json)


@commands.command()
@_file
@click.option("--node", "name", shell_complete=node_names, help="The node: a name below pair.nodes.")
@click.option("--out", type=click.Path(), help=f"The folder for the files, such as {PAIR_FOLDER}.")
@click.option(
    "--run-dir",
    default=DEFAULT_RUN,
    show_default=True,
    type=click.Path(),
    help="The folder of lock, socket and role.",
)
@click.option("--check", is_flag=True, help="Check the configuration, and have keepalived check the written files.")
@click.option("--hash", "only_hash", is_flag=True, help="Print the file's hash, which must be the same on both nodes.")
@click.option("--force", is_flag=True, help="Overwrite files that noidlb has not written.")
def pair(file: str, name: str | None, out: str | None, run_dir: str, check: bool, only_hash: bool, force: bool) -> int:
    """Writes keepalived.conf, conntrackd.conf, the notify script, rules and kernel settings of one of two balancers."""
    from .pair import write_pair

    return write_pair(file, name, out, run_dir, check=check, only_hash=only_hash, force=force)


class _Seconds(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        # FloatRange accepts NaN, which is neither below nor above a range.
        if math.isnan(found):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return found


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@_other_file
@_socket
@_state
@_run_dir
@_json
@click.option(
    "--watch",
    type=_Seconds(0.1, 86400),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Print it again every 2 seconds, or at this interval, until Ctrl-C.",
)
def status(
    farm: str | None,
    file: str | None,
    socket: str | None,
    folder: str,
    run_dir: str,
    as_json: bool,
    watch: float | None,
) -> int:
    """Shows farms and backends, or those of one FARM: state, weight, share of new clients, connections.

    A running guardian adds the health of each backend: up or down, since when and why, and the time of the last answer.
    A node of a pair adds its role and the hash of its farms file, which must be the same on the other node.
    """
    from .status import print_status

    return print_status(farm, file, socket, folder, run_dir, as_json=as_json, watch=watch)

"""The administrative command `noidchecks`; each subcommand imports its modules when it is run."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import click

from . import __version__
from .command_group import CommandGroup, HelpWanted, begin_output, leave_output
from .errors import UsageError
from .status.state import State
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn


# No other exporter is known to use this port.
_LISTEN = "127.0.0.1:9769"


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """Health checks for FTP, TFTP and SSH servers: what a monitoring server needs besides the plugins."""


@commands.command()
def demo() -> int:
    """Starts small servers, healthy and sick ones, and lets the plugins check them.

    It uses free ports on loopback, needs no root and leaves nothing behind. The exit code is 0 when every check had the
    expected state, otherwise 2.
    """
    from .demo.show import run

    # SIGTERM makes it tidy up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(click.echo)


def _seconds(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    from .duration import seconds

    found = seconds(text)
    if found is None:
        raise click.BadParameter(f"must be like 30s or 5m, not {text}")
    return found


@commands.command()
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--nagios-objects", multiple=True, type=click.Path(), help="Take the services from this objects.cache.")
@click.option("--nagios-resource", multiple=True, type=click.Path(), help="The file with the $USERn$ macros.")
@click.option(
    "--nagios-passive-only", is_flag=True, help="Only services without active checks that accept passive results."
)
@click.option("--over", default="0", callback=_seconds, help="Spread the checks evenly over this time.")
@click.option("--every", default="0", callback=_seconds, help="Start a round at this interval, for ever.")
@click.option("--shard", default="", metavar="I/N", help="Check only the I-th of N shares of the targets.")
@click.option("--concurrency", default=1000, show_default=True, help="Most checks at the same time.")
@click.option("--report", "reports", multiple=True, help="Deliver the results there; can be given several times.")
@click.option("--icinga-ca", default="", type=click.Path(), help="The authority of the Icinga 2 API's certificate.")
@click.option("--icinga-credentials", default="", type=click.Path(), help="A file with two lines: user, password.")
@click.option("--keep", default=100_000, show_default=True, help="Most results kept for each report that accepts none.")
@click.option(
    "--spool-dir", default="", type=click.Path(), help="Keep the results there that are not delivered at the end."
)
@click.option(
    "--patience", default="10s", show_default=True, callback=_seconds, help="How long to wait for delivery at the end."
)
def survey(
    files: tuple[str, ...],
    nagios_objects: tuple[str, ...],
    nagios_resource: tuple[str, ...],
    nagios_passive_only: bool,
    over: float,
    every: float,
    shard: str,
    concurrency: int,
    reports: tuple[str, ...],
    icinga_ca: str,
    icinga_credentials: str,
    keep: int,
    spool_dir: str,
    patience: float,
) -> int:
    """Checks many services in one process and delivers the results.

    Each line of FILES is a target: host, service and command line, separated by tabs; - is standard input. A report is
    one of lines (the default), json, nagios-spool=DIR, nagios-command=FILE, icinga2=URL, prometheus=FILE. SIGHUP reads
    the targets again, SIGTERM ends the survey.

    The exit code is 0 when all checks were made and all results delivered, whatever their states; 1 when a target is
    malformed or a result was refused for good; 2 when results could not be delivered; 3 when there was nothing to
    check.
    """
    if every:
        from .systemd import hangup_kept

        click.get_current_context().with_resource(hangup_kept())
    from .descriptors import raise_limit
    from .surveys.progress import ProgressBar
    from .surveys.report.choose import choose
    from .surveys.report.journal import require_spool_folder
    from .surveys.runner import Sources, SurveyRunner
    from .surveys.targets import Shard

    if not files and not nagios_objects:
        raise UsageError("survey needs targets: a file, - or --nagios-objects")
    if min(concurrency, keep) < 1:
        raise UsageError("--concurrency and --keep must be at least 1")
    if spool_dir:
        require_spool_folder(spool_dir)
    if every and over > every:
        raise UsageError("--over must not be longer than --every")
    if nagios_passive_only and not nagios_objects:
        raise UsageError("--nagios-passive-only needs --nagios-objects")
    raise_limit()
    reports = reports or ("lines",)
    bar = ProgressBar(_progress_bar, _say)
    chosen = [
        (text, choose(text, icinga_ca=icinga_ca, icinga_credentials=icinga_credentials, around_lines=bar.hidden))
        for text in dict.fromkeys(reports)
    ]
    runner = SurveyRunner(
        Sources(
            files,
            nagios_objects,
            nagios_resource,
            Shard.parse(shard) if shard else None,
            passive_only=nagios_passive_only,
        ),
        chosen,
        over=over,
        every=every,
        concurrency=concurrency,
        keep=keep,
        patience=patience,
        spool=spool_dir,
        say=bar.say,
        progress=bar.show,
    )
    return runner.run()


def _progress_bar(length: int) -> Any:
    return click.progressbar(length=length, label="Checking", file=sys.stderr, update_min_steps=length // 200)


def _say(words: str) -> None:
    # click before 8.2 fails without standard error.
    if sys.stderr is None:
        return
    # A standard error that cannot be written (its reader is gone, its disk is full) must not end the command.
    with suppress(OSError):
        click.echo(f"noidchecks: {printable(words)}", err=True)


def _answer(words: str) -> None:
    """Prints a line on standard output, or on standard error when the process was started without standard output."""
    if sys.__stdout__ is None:
        _say(words)
    else:
        click.echo(f"noidchecks: {printable(words)}")


@commands.command()
@click.option("--listen", multiple=True, metavar="ADDRESS:PORT", help=f"Listen there instead of on {_LISTEN}.")
@click.option("--modules", default="", type=click.Path(), help="The modules file, which SIGHUP reads again.")
@click.option(
    "--allow", multiple=True, metavar="NETWORK|PATTERN", help="Targets that may be probed, in addition to the file's."
)
@click.option(
    "--web-config", default="", type=click.Path(), help="Prometheus' web configuration: TLS, basic_auth_users."
)
@click.option("--concurrency", default=1000, show_default=True, help="Most probes at the same time.")
@click.option(
    "--timeout-offset",
    default="500ms",
    show_default=True,
    callback=_seconds,
    help="Subtracted from the scrape timeout.",
)
@click.option("--history", default=100, show_default=True, help="Probes that the index page shows.")
@click.option("--check", is_flag=True, help="Only validate the files.")
def exporter(
    listen: tuple[str, ...],
    modules: str,
    allow: tuple[str, ...],
    web_config: str,
    concurrency: int,
    timeout_offset: float,
    history: int,
    check: bool,
) -> int:
    """Probes servers for Prometheus: GET /probe?target=HOST[:PORT]&module=NAME.

    A module is a plugin's command line without the host; ftp, ftp_tls, tftp, ssh and sftp are built in. Without --allow
    and without allow in the modules file only loopback may be probed. SIGHUP and POST /-/reload read the modules file
    again, SIGTERM ends the exporter. docs/exporter.md describes the file, the metrics and a unit for systemd.

    The exit code is 0 after SIGTERM, 2 when it cannot listen, and 3 when a file or the command line is wrong.
    """
    if not check:
        from .systemd import hangup_kept

        click.get_current_context().with_resource(hangup_kept())
    import asyncio

    try:
        from .exporter.errors import ListenError
        from .exporter.service import Settings, serve
        from .exporter.web_config import WebConfigFile
    except ImportError as error:
        raise UsageError(f"The exporter needs {error.name}: pip install 'noidchecks[exporter]'") from None
    if min(concurrency, history) < 1:
        raise UsageError("--concurrency and --history must be at least 1")
    settings = Settings(
        listen=tuple(map(_endpoint, listen or (_LISTEN,))),
        modules=modules,
        allow=allow,
        web_config=web_config,
        concurrency=concurrency,
        timeout_offset=timeout_offset,
        history=history,
    )

    if check:
        found = settings.read()
        WebConfigFile(web_config, _say)
        click.echo(f"{len(found.modules)} modules are in order")
        return State.OK
    try:
        asyncio.run(serve(settings, _say))
    except ListenError as error:
        # Not 3, so that systemd restarts the unit: an address may not be configured yet.
        _answer(str(error))
        return State.CRITICAL
    return State.OK


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in host) != (bare != host):
        raise UsageError(f"--listen must be ADDRESS:PORT or [ADDRESS]:PORT, not {printable(text)}")
    return bare, int(port)


@commands.command("install-plugins")
@click.option("--prefix", default="", metavar="TEXT", help="Prefix of the links' names: noid_ makes noid_check_ftp.")
@click.option("--uninstall", is_flag=True, help="Remove the links.")
@click.option("--dry-run", is_flag=True, help="Only print what would be done.")
@click.argument("folder", metavar="DIR")
def install_plugins(prefix: str, uninstall: bool, dry_run: bool, folder: str) -> int:
    """Links the plugins into the plugin folder DIR of a monitoring server.

    Only symbolic links to plugins of noidchecks, of this or another installation, are replaced or removed. The exit
    code is 0 on success, 1 when the monitoring server may be unable to run the plugins, 2 when another file has the
    name of a link (then nothing is linked), 3 when it failed.
    """
    from pathlib import Path

    from . import install

    act = install.uninstall if uninstall else install.install
    place = Path(os.path.abspath(folder))
    return act(install.executables(), place, lambda line: click.echo(printable(line)), prefix=prefix, dry_run=dry_run)


@commands.command()
def definitions() -> int:
    """Prints the folder with the definitions for Nagios, Icinga 2, Prometheus and Grafana, and for load balancers."""
    from . import install

    click.echo(install.definitions())
    return State.OK


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command with the arguments, by default those of the process, and ends it with an exit code 0..3.

    click would exit with 2 on a usage error and 1 on a defect, which monitoring servers read as CRITICAL and WARNING;
    here both are UNKNOWN, with one line on standard output.
    """
    begin_output()
    code = _run(arguments)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        # What it did not take is still in its buffer: at its failure the interpreter would exit with 120.
        leave_output(2)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return _outcome(arguments)
    except OSError as error:
        # Even the error message cannot be printed, for example on a full disk.
        leave_output()
        _say(f"standard output cannot be written: {error.strerror}")
        return State.UNKNOWN


def _outcome(arguments: Sequence[str] | None) -> int:
    try:
        outcome = commands.main(arguments, prog_name="noidchecks", standalone_mode=False)
    except HelpWanted as error:
        click.echo(error.message)
    except click.ClickException as error:
        _answer(error.format_message())
    except UsageError as error:
        _answer(str(error))
    except SystemExit:
        # click exits when the reader of standard output has closed it (EPIPE).
        leave_output()
    except (click.Abort, KeyboardInterrupt):
        _answer("interrupted")
    except Exception as error:
        # When standard output itself has failed, this raises the OSError that _run() handles.
        click.echo(f"noidchecks: {printable(f'internal error: {type(error).__name__}: {error}')}")
    else:
        return outcome if isinstance(outcome, int) else State.OK
    return State.UNKNOWN

"""A plugin as a program: always one status line on standard output and an exit code 0..3."""

from __future__ import annotations

import os
import sys

from ..errors import BareUsageError, UsageError
from ..status.state import State
from ..status.text import printable
from .plugin import InformationWanted, parse, plugin_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(name: str) -> NoReturn:
    """Runs the plugin of that name with the arguments of the process and ends the process."""
    code, text = 3, ""
    try:
        if sys.getfilesystemencoding() != "utf-8" and sys.executable and "utf8" not in sys._xoptions:
            # In a locale such as de_DE@euro, Python has decoded arguments and passwords by its character set, and they
            # would be sent as UTF-8, whereas the C plugins pass on the bytes. In UTF-8 mode the bytes are preserved.
            # Only once, because a later -X utf8=0 may disable that mode.
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  # no shell is wanted
        if None in (sys.stdin, sys.stdout, sys.stderr):
            from ..descriptors import fill_standard_descriptors

            fill_standard_descriptors()
        code, text = run(name, sys.argv, alone=True)
    except BaseException as error:
        text = f"{_service(name)} UNKNOWN - {_sentence(error)}"
    finally:
        _write(text)
        if (workers := sys.modules.get("noidchecks.drivers.workers")) is not None:
            workers.reap()
        # Not sys.exit(): the interpreter's finalization takes a tenth of a check and can still print a traceback.
        os._exit(code)


def run(name: str, argv: Sequence[str], *, alone: bool = False) -> tuple[int, str]:
    """Runs the plugin with these arguments (the program first); returns its exit code and its output.

    alone says that the process makes only this check.
    """
    program = os.path.basename(argv[0]) if argv and argv[0] else name
    try:
        command = parse([program, *argv[1:]], name, stdin=True)
    except InformationWanted as wanted:
        return State.UNKNOWN, str(wanted)
    except BareUsageError as error:
        return State.UNKNOWN, printable(str(error))
    except UsageError as error:
        from .help import usage_text

        return State.UNKNOWN, f"{printable(f'{program}: {error}')}\n{usage_text(plugin_of(name))}"
    if alone and getattr(command.probe, "exchanges_keys", False):
        from ..drivers.workers import stand_alone

        stand_alone()
    from ..probe import check

    result = check(command.probe, transcript=command.verbose)
    if command.output_format:
        from ..status.render import render

        return render(result, command.output_format)
    return result.state, str(result)


def _service(name: str) -> str:
    return name.rpartition("check_")[2].upper()


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return printable(f"internal error: {type(error).__name__}: {error}")


def _write(text: str) -> None:
    data = memoryview(f"{text}\n".encode(errors="backslashreplace"))
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        # The reader has closed the pipe, but still gets the exit code.
        pass

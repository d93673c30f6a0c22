"""A plugin as a program: one status line on standard output, exit code 0..3, whatever happens."""

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
    """Runs the plugin of that name with the words of the command line and ends the process."""
    code, text = 3, ""
    try:
        if sys.getfilesystemencoding() != "utf-8" and sys.executable and "utf8" not in sys._xoptions:
            # By a locale such as de_DE@euro, Python has read words and passwords that are bytes to servers and to the C
            # plugins. As UTF-8 they become the same bytes again. Once: -X utf8=0 may stand behind it.
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
        # Not sys.exit(): tearing the interpreter down costs a tenth of a check and can still print a traceback.
        os._exit(code)


def run(name: str, argv: Sequence[str], *, alone: bool = False) -> tuple[int, str]:
    """Runs the plugin with these words (the program first) and returns its exit code and what it prints.

    alone says that the process is for this one check.
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
        # The reader has closed the pipe; it still gets the exit code.
        pass

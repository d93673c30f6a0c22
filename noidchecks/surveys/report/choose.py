"""Creates the report for `--report WORD[=VALUE]`."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from ...errors import UsageError
from ...status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..destination import Report

FORMS = ("lines", "json", "nagios-spool=DIR", "nagios-command=FILE", "icinga2=URL", "prometheus=FILE")


def choose(
    text: str,
    *,
    icinga_ca: str = "",
    icinga_credentials: str = "",
    around_lines: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Report:
    """Returns the report that the text names, importing only its module; raises UsageError.

    around_lines returns a context manager that is active during each write to standard output.
    """
    kind, _, value = text.partition("=")
    if text in ("lines", "json") and sys.__stdout__ is None:
        raise UsageError(f"Report {text} needs standard output, which is closed")
    match kind, bool(value):
        case "lines", False:
            from .standard_output import Lines

            return Lines(around_lines)
        case "json", False:
            from .standard_output import JsonLines

            return JsonLines(around_lines)
        case "nagios-spool", True:
            from .nagios_spool import NagiosSpool

            return NagiosSpool(value)
        case "nagios-command", True:
            from .nagios_command import NagiosCommand

            return NagiosCommand(value)
        case "icinga2", True:
            from .icinga2 import Icinga2, credentials

            return Icinga2(value, *credentials(icinga_credentials), icinga_ca)
        case "prometheus", True:
            from .prometheus import PrometheusFile

            return PrometheusFile(value)
    raise UsageError(f"Report must be one of {', '.join(FORMS)}, not {printable(text)}")

"""The option table of check_toy."""

from __future__ import annotations

from noidchecks.errors import UsageError
from noidchecks.plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, Given, port, time_rows
from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import Plugin

from .probe import ToyProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from noidchecks.plugin.getopt import Scan
    from noidchecks.plugin.plugin import Command


def build(scan: Scan) -> Command:
    """Turns the options into a command; UsageError."""
    given = Given(PLUGIN)
    for name, value in scan:
        given.take(name, value)
    if scan.rest or "host" not in given.settings:
        raise UsageError("No host given")
    return given.command(ToyProbe(**given.settings))


ROWS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name or address", field="host"),
    Option("port", "p", "PORT", "TCP port (7)", field="port", read=port),
    *ADDRESS_ROWS,
    Option("name", metavar="NAME", help="CRITICAL unless the server has this name", field="name"),
    *time_rows(),
    *OUTPUT_ROWS,
)
PLUGIN = Plugin(
    "check_toy", blurb="This plugin tests a TOY server.", usage="check_toy -H <host>", rows=ROWS, build=build
)

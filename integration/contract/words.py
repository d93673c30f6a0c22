"""Tables of command lines, and why some outputs differ on purpose."""

from __future__ import annotations

RANGE = "a range of the guidelines is read as one (3.1)"

NUMBER = "a threshold that is no number is an error, not 0"

TIMEOUT_STATE = "-t SECONDS:STATE is ours"

VERBOSE = "-v prints behind the status line (2.5.12)"

NO_TLS = "no library internals, no death by SIGPIPE (2.5.1, 2.5.7)"

OWN = "our own version and help"

MODULO = "no silent port modulo 65536"


def lines(text: str, before: str = "") -> list[str]:
    """Returns the command lines of a table, which slashes and line ends part."""
    return [f"{before}{line}".strip() for row in text.strip().splitlines() for line in row.strip().split(" / ")]

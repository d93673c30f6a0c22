"""TFTP servers on loopback, and what is said of them."""

from __future__ import annotations

import re
from typing import Protocol

from noidchecks import Result
from tests.support.tftp import Script, Server

PERFDATA = re.compile(r"time=\d+\.\d{6}s;;;0\.000000;\d+\.\d{6}( size=\d+B;[^ ;]*;[^ ;]*;0)? retransmissions=\d+;;;0")
# What servers give, and what is written to them.
CONTENT = bytes(range(256)) * 17
CANARY = bytes(range(256)) * 4


class Serve(Protocol):
    """Starts a server on the address family under test; it is closed after the test."""

    def __call__(self, script: Script, *, lose: int = 0) -> Server: ...


def line_of(result: Result) -> str:
    """The status line without its performance data, of which there is exactly our own."""
    text, _, perfdata = str(result).partition("|")
    assert PERFDATA.fullmatch(perfdata), perfdata
    assert text.isprintable()
    return text

"""Greetings that try to reach the monitoring server through the plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from integration.monitoring.service import Service
from tests.support.peers import Peer

TAILS = {
    "bar": b"evil | load=99;1;2 text",
    "semicolon": b"evil; rm -rf /; x=1;2;3",
    "newline": b"evil\nFTP OK - injected | x=1\n\t}\n\nservicestatus {\n\thost_name=lab\n\tservice_description=a\n\t}",
    "written-newline": b"evil\\nsecond\\n|x=1\\\\n",
    "html": b"<script>alert(1)</script><img src=x onerror=alert(1)>",
    "backslashes": b"\\\\\\x41\\$USER5$\\\"'`id`$(id)",
    "huge": b"A" * 8192,
    "huge-bars": b"|x=1;2;3 " * 900,
    "no-utf-8": b"\xff\xfe\xc3\x28\xed\xa0\x80",
    "controls": b"\x1b[2J\x00\x07\x08\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae",
    "macros": b"$HOSTADDRESS$ $ARG1$ $check_address$ {{ }} %41",
}
GREETINGS = {
    **{f"ftp-{name}": b"220 %s\r\n" % tail for name, tail in TAILS.items()},
    **{f"ftp-wrong-{name}": b"530 %s\r\n" % tail for name, tail in TAILS.items()},
    **{f"ssh-{name}": b"SSH-2.0-x_1 %s\r\n" % tail for name, tail in TAILS.items()},
    **{f"ssh-before-{name}": b"%s\r\nSSH-2.0-x_1\r\n" % tail for name, tail in TAILS.items()},
}
"""What a server says at once, by the name of the service that checks it."""

_TIME = re.compile(r"time=\d+\.\d{6}s;;;0\.000000;10\.000000")


@contextmanager
def peers() -> Iterator[dict[str, int]]:
    """Runs a server for each greeting and yields their ports."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Peer(greeting)).port for name, greeting in GREETINGS.items()}


def assert_harmless(name: str, service: Service) -> None:
    """What arrived is one printable line of this check, with its own performance data and nothing else."""
    assert service.output.startswith(name.partition("-")[0].upper()), service
    assert service.output.isprintable(), service
    assert not re.search(r"<[\w/!]", service.output), service
    assert len(service.output) < 8000, service
    assert service.long_output == "", service
    assert _TIME.fullmatch(service.perfdata), service

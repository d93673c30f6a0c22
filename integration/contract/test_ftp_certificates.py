"""Certificates of check_ftp beside the C plugin: its line stands first, whatever it and the service are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integration.contract.compare import Difference, assert_same, both
from tests.support.certificates import Chain
from tests.support.ftp import FtpServer
from tests.support.peers import unused_port

pytestmark = pytest.mark.root

SERVICE = r"FTP {} - T3 second response time on 127\.0\.0\.1 port \d+ \[.*\]\|time=T6s;.*"
BOTH = "a certificate that is not well does not end the check (2.5.7)"
CHAIN = "every certificate of the chain counts"


def line(state: str, text: str) -> str:
    return rf"{state} - Certificate '[^']+' {text}"


ROWS: list[tuple[str, tuple[int, ...], str, Difference | None]] = [
    ("well", (400, 800), "-D 30", None),
    ("well, with a critical number of days", (400, 800), "-D 30,14", None),
    ("without days", (400, 800), "-S", None),
    ("a name", (400, 800), "-S --sni x.example", None),
    ("slow", (400, 800), "-D 30 -w 0", None),
    ("too slow", (400, 800), "-D 30 -c 0", None),
    ("unexpected", (400, 800), "-D 30 -e nope", None),
    ("unexpected, ok", (400, 800), "-D 30 -e nope -M ok", None),
    ("jailed", (400, 800), "-D 30 -j", None),
    ("warning", (20, 800), "-D 30,14", Difference(
        BOTH, 1, line("WARNING", r"expires in \d+ day\(s\) \([^)]*\)\.\n") + SERVICE.format("OK"))),
    ("critical", (5, 800), "-D 30,14", Difference(
        BOTH, 2, line("CRITICAL", r"expires in \d+ day\(s\) \([^)]*\)\.\n") + SERVICE.format("OK"))),
    ("warning and a service that is worse", (20, 800), "-D 30,14 -c 0", Difference(
        BOTH, 2, line("WARNING", r"expires in \d+ day\(s\) \([^)]*\)\.\n") + SERVICE.format("CRITICAL"))),
    ("expired", (-1, 800), "-D 30,14", Difference(
        BOTH, 2, line("CRITICAL", r"expired on [^\n]*\.\n") + SERVICE.format("OK"))),
    ("an authority that ends first", (400, 20), "-D 30", Difference(
        CHAIN, 1, line("WARNING", r"in the chain of '[^']+' expires in \d+ day\(s\) \([^)]*\)\.\n")
        + SERVICE.format("OK"))),
]  # fmt: skip


@pytest.mark.parametrize(("days", "words", "difference"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_line_of_the_certificate_first(
    tmp_path: Path, days: tuple[int, ...], words: str, difference: Difference | None
) -> None:
    chain = Chain(tmp_path, *days)
    with FtpServer("127.0.0.1", {}, chain.pem, implicit=True) as server:
        theirs, ours = both("check_ftp", ["-H", "127.0.0.1", "-p", str(server.port), "-S", *words.split()])
    assert_same(theirs, ours, difference)
    if difference is not None and difference.reason == BOTH:
        # Ours goes on where the C plugin ends.
        assert ours.text.startswith(theirs.text)


def test_refused_with_tls() -> None:
    theirs, ours = both("check_ftp", ["-H", "127.0.0.1", "-p", str(unused_port()), "-D", "30"])
    assert_same(theirs, ours, None)
    assert re.fullmatch(r"connect to address 127\.0\.0\.1 and port \d+: Connection refused\|time=.*", ours.text)

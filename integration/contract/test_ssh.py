"""check_ssh beside the C plugin 2.3.3: the same, except for the parser of 2.4 and what is meant to differ."""

from __future__ import annotations

from re import escape

import pytest

from integration.contract.compare import Difference, assert_same, both, filled, peer
from tests.support.peers import Step, close, half_close, reset, silent

pytestmark = pytest.mark.root

PERF = escape(" | time=T6s;;;0.000000;10.000000")
PARSER = "the parser of check_ssh 2.4: the comment is not part of the version"
FAILURE = "failures carry performance data and end with a line end"
SPLIT = "the identification string is read as RFC 4253 says (2.5.9)"


def ssh(state: str, code: int, text: str, reason: str) -> Difference:
    return Difference(reason, code, rf"SSH {state} - {escape(text)}{PERF}")


def failure(text: str, reason: str = FAILURE) -> Difference:
    return ssh("CRITICAL", 2, text, reason)


DEBIAN: list[Step] = [b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"]
BARE: list[Step] = [b"SSH-2.0-OpenSSH_9.2p1\r\n"]
VERSION = "OpenSSH_9.2p1 (protocol 2.0)"
MISSING = "No version control string received"

ROWS: list[tuple[str, list[Step] | None, str, Difference | None]] = [
    ("plain", BARE, "-p {p} {h}", None),
    ("-H", BARE, "-H {h} -p {p}", None),
    ("host and port", BARE, "{h} {p}", None),
    ("--host", BARE, "--host {h} --port {p}", None),
    ("timeout", BARE, "-t 30 -p {p} {h}", None),
    ("-to", BARE, "-to 3 -p {p} {h}", None),
    ("no timeout", BARE, "-t 0 -p {p} {h}", None),
    ("comment", DEBIAN, "-p {p} {h}", ssh("OK", 0, VERSION, PARSER)),
    ("-r, bare", BARE, "-r OpenSSH_9.2p1 -p {p} {h}", None),
    ("-r, other", BARE, "-r OpenSSH_8 -p {p} {h}", None),
    ("-r, bare version of a comment", DEBIAN, "-r OpenSSH_9.2p1 -p {p} {h}", ssh("OK", 0, VERSION, PARSER)),
    ("-P", BARE, "-P 2.0 -p {p} {h}", None),
    ("-P, other", BARE, "-P 1.99 -p {p} {h}", None),
    ("--remote-p", BARE, "--remote-p 2.0 -p {p} {h}", None),
    ("--remote-protcol", BARE, "--remote-protcol 2.0 -p {p} {h}", None),
    ("1.99", [b"SSH-1.99-Cisco-1.25\r\n"], "-p {p} {h}", None),
    ("1.5", [b"SSH-1.5-1.2.27\r\n"], "-p {p} {h}", ssh("OK", 0, "1.2.27 (protocol 1.5)", PARSER)),
    ("lines before", [b"Welcome\r\nNotice\r\n", *BARE], "-p {p} {h}", ssh("OK", 0, VERSION, SPLIT)),
    ("a slow line before", [b"Welcome\r\n", 0.4, *BARE], "-p {p} {h}", ssh("OK", 0, VERSION, SPLIT)),
    ("split", [b"SSH-2.0-x", 0.3, b"yz\r\n"], "-p {p} {h}", ssh("OK", 0, "xyz (protocol 2.0)", SPLIT)),
    ("no line end", [b"SSH-2.0-x", half_close], "-p {p} {h}", None),
    ("hostile metric", [b"SSH-2.0-evil|load=99 c\r\n"], "-p {p} {h}",
     ssh("OK", 0, "evil load=99 (protocol 2.0)", "no injected metrics (2.5.4)")),
    ("hostile line", [b"SSH-2.0-evil\nSSH OK - injected\n"], "-p {p} {h}",
     ssh("OK", 0, "evil (protocol 2.0)", "no injected lines (2.5.4)")),
    ("an FTP server", [b"220 I am FTP\r\n", half_close], "-p {p} {h}", failure(MISSING)),
    ("nothing but a prefix", [b"SSH-\r\n"], "-p {p} {h}",
     failure("Invalid protocol version control string SSH-", SPLIT)),
    ("lower case", [b"ssh-2.0-lower\r\n", half_close], "-p {p} {h}", failure(MISSING)),
    ("overloaded", [b"Exceeded MaxStartups\r\n", half_close], "-p {p} {h}",
     ssh("WARNING", 1, "Server is overloaded: Exceeded MaxStartups", "busy is not down")),
    ("closes", [close], "-p {p} {h}", failure(MISSING)),
    ("resets", [0.1, reset], "-p {p} {h}", failure(MISSING)),
    ("silent", [silent], "-t 2 -p {p} {h}", None),
    ("refused", None, "-p 1 {h}", None),
    ("unknown name", None, "-H nosuch.invalid", None),
    ("no words", None, "", None),
    ("only -v", None, "-v", None),
    ("port abc", None, "-p abc {h}", None),
    ("timeout abc", None, "-t abc {h}", None),
    ("port 99999", None, "-p 99999 {h}", Difference(
        "no silent port modulo 65536", 3, "check_ssh: Port number must be a positive integer, at most 65535 - 99999")),
]  # fmt: skip


@pytest.mark.parametrize(("script", "words", "difference"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_same_or_meant_to_differ(script: list[Step] | None, words: str, difference: Difference | None) -> None:
    with peer(script) as port:
        theirs, ours = both("check_ssh", filled(words, port))
    assert_same(theirs, ours, difference)

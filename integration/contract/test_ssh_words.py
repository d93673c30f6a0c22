"""Command lines of check_ssh beside the C plugin 2.3.3: how words are read, and what of it is meant to differ."""

from __future__ import annotations

import pytest

from integration.contract.compare import Difference, assert_same, both, filled, peer
from integration.contract.words import MODULO, OWN, TIMEOUT_STATE, VERBOSE, lines
from tests.support.peers import Step, close, half_close, reset, silent

pytestmark = pytest.mark.root

PEERS: dict[str, list[Step] | None] = {
    "bare": [b"SSH-2.0-OpenSSH_9.2p1\r\n"],
    "comment": [b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"],
    "cisco": [b"SSH-1.99-Cisco-1.25\n"],
    "silent": [silent],
    "closes": [close],
    "resets": [0.1, reset],
    "ftp": [b"220 x\r\n", half_close],
    "no version": [b"SSH-2.0-\r\n"],
    "none": None,
}

SAME = {
    "bare": """
        -p {p} {h} / -H {h} -p {p} / {h} {p} / -p{p} {h} / -H{h} -p{p} / --host {h} --port {p} / -H {h} {p}
        --hostname={h} --port={p} / -4 {h} {p} / -4 -H {h} -p {p} / -H {h} -4 -p {p} / -t 5 {h} {p} / -t5 {h} {p}
        -t 0 {h} {p} / -t -1 {h} {p} / -t x {h} {p} / -t 1.5 {h} {p} / -to 5 {h} {p} / -to5 {h} {p}
        --timeout=5 {h} {p}
        -r OpenSSH_9.2p1 {h} {p} / -r OpenSSH_9.2p1 -P 2.0 {h} {p} / -r x -P 1 {h} {p} / -P 2.0 {h} {p} / -P 2 {h} {p}
        -P 1.99 {h} {p} / -r x {h} {p} / -rx {h} {p} / --remote-version=x {h} {p} / --remote-version x {h} {p}
        --remote-p 1 {h} {p} / --remote-protcol 1 {h} {p} / --remote 1 {h} {p} / --rem 1 {h} {p}
        {h} -p {p} / {h} {p} -p 1 / {h} {p} junk / {h} {p} 5 / -H {h} -p {p} junk / -H {h} -p {p} {h} / {h} x / {h} 0
        {h} -1 / -- {h} {p} / -p {p} -- {h} / -p {p} / -p {p} -H nosuch.invalid / -X {h} {p} / --nosuch {h} {p} / -p
        -H
        -t / -r / -P / --port / --h {h} / --po {p} {h} / --ver / --v / -4 -H ::1 / -6 -H {h} / -p x {h} / -p 0 {h}
        -p -5 {h} / -p 1.5 {h} / -S {h} {p} / -j {h} {p} / -e x {h} {p} / --extra-opts=@/nonexistent {h} {p}
        -p {p} localhost / -p {p} LOCALHOST / -p {p} 127.1
        -p {p} {h} --timeout=4 / {h} {p} --remote-version x / {h} {p} --verb / -p {p} {h} -r x --help / {h} {p} --
    """,
    "cisco": "{h} {p} / -P 1.99 {h} {p} / -P 2.0 {h} {p} / -r Cisco-1.25 {h} {p} / -r x {h} {p}",
    "silent": "-t 2 {h} {p} / -t 2 -r x {h} {p} / -to 2 -H {h} -p {p} / -t2 -P 2.0 {h} {p}",
    "none": """
        -p 1 {h} / {h} 1 / -H {h} -p 1 -t 3 / -H localhost -p 1 / -H 224.0.0.1 -p 1 / -H fe80::1 -p 1 / -H ::1 -p 1
        ::1 1 / -H 192.0.2.1 -p 1 -t 2 / -H 255.255.255.255 -p 1 / -H 2001:db8::1 -p 1 / -v / -H nosuch.invalid
    """,
}

COMMENT = "the comment is not shown, and -r takes both forms (2.4)"
WORDS = "the words of check_ssh 2.4"
THRESHOLDS = "-w and -c are ours"
SPELT = "--remote-protocol is spelt --remote-protcol in 2.3.3"
UNREAD = "an option that is read nowhere would be a check that is never made"
LATER = "a name is looked up when the check begins, in the family that all words ask for, and the last host counts"

MISMATCH = r"SSH CRITICAL - OpenSSH_9\.2p1 \(protocol 2\.0\)( protocol)? version mismatch, expected '"
PERF = r" \| time=T6s;;;0\.000000;(2|5|10)\.000000"
GOOD = r"SSH OK - OpenSSH_9\.2p1 \(protocol 2\.0\)"
MISSING = rf"SSH CRITICAL - No version control string received{PERF}"

DIFFERENT: list[tuple[str, str, int, str, str]] = [
    (COMMENT, "comment", 0, rf"{GOOD}{PERF}", "{h} {p} / -r OpenSSH_9.2p1 {h} {p} / -P 2.0 {h} {p}"),
    (COMMENT, "comment", 2, rf"{MISMATCH}.*",
     "-r OpenSSH {h} {p} / -P 1 {h} {p}"),
    (WORDS, "closes", 2, MISSING, "{h} {p} / -r x {h} {p} / -P 2.0 {h} {p}"),
    (WORDS, "resets", 2, MISSING, "{h} {p} / -r x {h} {p} / -P 2.0 {h} {p}"),
    (WORDS, "ftp", 2, MISSING, "{h} {p} / -r x {h} {p} / -P 2.0 {h} {p}"),
    (WORDS, "no version", 2, rf"SSH CRITICAL - Invalid protocol version control string SSH-2\.0-{PERF}",
     "{h} {p} / -r x {h} {p} / -P 2.0 {h} {p}"),
    (TIMEOUT_STATE, "bare", 0, rf"{GOOD}{PERF}", "-t 5:warning {h} {p} / -t 5:UNKNOWN {h} {p}"),
    (VERBOSE, "bare", 0, rf"{GOOD}{PERF}\n.*", "-v {h} {p} / -vv {h} {p} / -4v {h} {p} / -vt5 {h} {p}"),
    (VERBOSE, "cisco", 0, rf"SSH OK - Cisco-1\.25 \(protocol 1\.99\){PERF}\n.*", "-v {h} {p}"),
    (THRESHOLDS, "bare", 0, rf"{GOOD} \| time=T6s;(1\.000000)?;(1\.000000)?;0\.000000;10\.000000",
     "-w 1 {h} {p} / -c 1 {h} {p} / -wt 1 {h} {p} / -ct 1 {h} {p}"),
    (THRESHOLDS, "bare", 1, r"SSH WARNING - OpenSSH_9\.2p1 \(protocol 2\.0\), T3 second response time \| time=.*",
     "-w 0 {h} {p} / -w -1 {h} {p}"),
    (SPELT, "bare", 2, rf"{MISMATCH}1'{PERF}",
     "--remote-protocol 1 {h} {p} / --remote-protocol=1 {h} {p}"),
    (LATER, "bare", 0, rf"{GOOD}{PERF}", "-p {p} -H nosuch.invalid -H {h}"),
    (LATER, "none", 3, r"check_ssh: Invalid hostname/address - (::1|nosuch\.invalid)",
     "-H ::1 -4 / -p 1 nosuch.invalid"),
    (UNREAD, "bare", 3, r"check_ssh: Options must stand before the host - --?[a-z-]+",
     "{h} {p} --min-version 9 / {h} {p} -w 1 / {h} {p} --nosuch"),
    (MODULO, "none", 3, r"check_ssh: Port number must be a positive integer, at most 65535 - \d+",
     "-p 99999 {h} / -p 65536 {h} / {h} 65536"),
    (OWN, "none", 3, r"check_ssh v[\d.]+ \(noidchecks [\d.]+\)(\n\nTry to connect to an SSH server .*)?",
     "-h / -V / -hv / --help / --version"),
]  # fmt: skip

ALIKE = [(kind, line) for kind, text in SAME.items() for line in lines(text)]
UNLIKE = [
    (kind, line, Difference(reason, code, pattern))
    for reason, kind, code, pattern, text in DIFFERENT
    for line in lines(text)
]


@pytest.mark.parametrize(("kind", "line"), ALIKE)
def test_the_same(kind: str, line: str) -> None:
    with peer(PEERS[kind]) as port:
        theirs, ours = both("check_ssh", filled(line, port))
    assert_same(theirs, ours, None)


@pytest.mark.parametrize(("kind", "line", "difference"), UNLIKE)
def test_meant_to_differ(kind: str, line: str, difference: Difference) -> None:
    with peer(PEERS[kind]) as port:
        theirs, ours = both("check_ssh", filled(line, port))
    assert_same(theirs, ours, difference)

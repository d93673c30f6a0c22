"""Command lines of check_ftp beside the C plugin: how words are read, and what of it is meant to differ."""

from __future__ import annotations

from re import escape

import pytest

from integration.contract.compare import Difference, assert_same, both, filled, peer
from integration.contract.words import MODULO, NO_TLS, NUMBER, OWN, RANGE, TIMEOUT_STATE, VERBOSE, lines
from tests.support.peers import Step, close, half_close, reset, silent

pytestmark = pytest.mark.root

READY: list[Step] = [b"220 Fake FTP ready\r\n"]
FULL: list[Step] = [b"530 Too many connections\r\n"]
PEERS: dict[str, list[Step] | None] = {
    "ready": READY,
    "full": FULL,
    "silent": [silent],
    "closes": [close],
    "ends": [half_close],
    "resets": [0.1, reset],
    "blank": [b"\r\n", half_close],
    "none": None,
}

# Every line is the same with us, but for what is added behind.
SAME = {
    "ready": """
        -w 0.5 / -w5 -c10 / -w 5 / -c 5 / -w .5 / -w 5. / -w +5 / -w 1e1 / -w 1E-1 / -w 0.0000001 / -w 123456789
        -w -1 / -c -1 / -w -1 -c -1 / -w -0 / -w -0.5 -c 3 / -w -1e1 / -w 1000000000000 / -w 0 -c 5 -t 30 / -w 5 -c 1
        -wt 1 / -ct 2 / -wt 1 -ct 2 -to 5 / -wt 0 / -ct 0 / -wt -1 / --warning 3 --critical 4 / --critical=4 --timeout=7
        -t 1 / -t5 / -t -1 / -t : / -t 1e1 / -t +5 / -t 007 / -t 2147483647 / -t 99999999999 / -to5 / --timeout 5
        -4 / -6 -4 / -4 -4 / -j / -jE / -Ej / -A / -jA / -Aj -e Fake / -AEj / -j4
        -e 220 / -e 22 / -e Fake -e ready / -e F -e X -A / -e X -e Y / -e 221 / -e 220 -j / -e X -j / -e X -M ok
        -e X -M crit / -e X -M warning / -e X -M critical / -e X -M okay / -eFake / --expect=Fake / --exp Fake
        --send=x / --quit=x / --mism ok / --ref ok / --jail / --all / --esc / --delay=1 / --max 3 / --maxbytes=3
        -q QUIT / -q X / -E -q X / -E -q X\\n / -q X -E / -s HELP / -E -s HELP\\r\\n / -s HELP\\r\\n / -sX
        -d 1 / -d 1 -w 0.5 / -d x / -d -1 / -d 1.5 / -m 1 / -m 21 / -m 22 / -m 1000 / -m x / -m -1 / -m 1.5
        -r ok / -r warn / -r crit / -r warning / -r x / -r / -r okey / -r w / -r c / -r OK / -r unknown
        -M / -M ok / -M x / -M OK / -M unknown / -M warn / -M crit / -Mok
        -C 1 / -W 1 / -C 1 -W 2 / --critical-codes 1 / --warning-codes=2 / --protocol tcp / --protocol / -P x
        -a / -x / -Z / -1 / -5 / -j5 / -jX / -jt5 / -jt 5 / -p {p} / -p 1 -p {p} / -p{p} / -p1 -p{p}
        --hostname={h} / --host {h} / --hos={h} / --h {h} / --po {p} / --port={p} / --warn 5 / --crit 5 / --warni 5
        --criti 5 / --nosuch / --nosuch=1 / --jail=1 / --use-ipv4 / --use-ipv4=1 / --use / --ver / --v / --tim=3
        junk / junk words / -- -p 1 / -- / - -p 1 / junk -w 0 / -w 0 junk -c 0 / - / -p x -h
        --extra-opts / --extra-opts= / --extra-opts=@/nonexistent / --extra-opts=x@/etc/hostname
    """,
    "full": """
        -w 1 -c 2 / -w 0 / -c 0 / -w -1 / -w -1 -c -1 / -w 0 -c 0 -M ok / -M ok / -M warn / -M crit / -j / -j -M ok
        -e 530 / -e Too -e many -A / -e 220 / -m 3 -e 530 / -t 3 / -r ok / -w 0 -M ok / -w 0 -M crit
    """,
    "silent": "-t 2 / -t 2 -r ok / -t 2 -M ok / -t 2 -j / -t 2 -w 0 -c 0 / -t 2 -e x / -t 2 -S / -to 2 / -t 2 -D 30",
    "closes": "-r ok / -M ok / -j / -w 0 -c 0 / -e x / -w -1",
    "ends": "-r ok / -M ok / -j / -w 0 -c 0 / -e x / -w -1",
    "resets": "-r ok / -M ok / -j / -w 0 -c 0 / -e x / -w -1",
    "blank": "-w 5 / -M ok / -j / -w 0 -c 0 / -e x",
}
# Here the host is not named in front.
BARE = {
    "ready": """
        {h} -p {p} / -p {p} {h} / -p {p} / {h} -p {p} -w 0 / nosuch.invalid -p {p} {h} / {h} -H {h} -p {p} / {h} {h}
        {h} -p {p} nosuch.invalid / -p {p} {h} -w 0 / {h} {h} -p {p} / -j {h} -p {p} / -p {p} -- {h} / localhost -p {p}
        -H localhost -p {p} / -H LOCALHOST -p {p} / -H 127.1 -p {p} / -H 0x7f.1 -p {p} / -H 017700000001 -p {p}
        -H 127.0.0.1. -p {p} / -p {p} -H nosuch.invalid -H {h} / -p {p} -H {h} -H nosuch.invalid
    """,
    "none": """
        -H / -p / -H x / -H nosuch.invalid -p 1 / nosuch.invalid / -H [::1] / -H ::1 -p 1 / -H ::1 -4 -p 1 / -6 -H {h}
        -H {h} -6 / -H {h} -p 1 / -H {h} -p 1 -r ok / -H {h} -p 1 -r warn / -H {h} -p 1 -r crit / -H {h} -p 1 -w 1 -c 2
        {h} -p 1 / -p 1 / -p 1 {h} / -H localhost -p 1 / -H /nonexistent / -H /dev/null / -H /etc/passwd / -H /tmp
        -p 0 / -p -1 / -p 65535 / -p x / -p 1.5 / -p 1x / -t 0 / -t x / -t 1.5 / -m 0 / -d 0 / -D x / -D -1 / -D 3,x
        -D 3,-1 / -D 3, -p 1 / -D ,3 -p 1 / -D , -p 1 / -D +3 / -D / -S -p 1 / --sni / -H fe80::1 -p 1 / -H ff02::1 -p 1
        -H 224.0.0.1 -p 1 / -H 255.255.255.255 -p 1 / -H 0.0.0.0 -p 1 / -H :: -p 1 / -H 192.0.2.1 -p 1 / -H 0 -p 1
        -H 2001:db8::1 -p 1 / -H . / -H a..b / -H -x / -4 -6 -H {h} -p 1 / -H {h} -p 1 -j / -H {h} -p 1 -w -1
    """,
}


DONE = r"FTP \w+ - T3 second response time on 127\.0\.0\.1 port \d+ \[220 Fake FTP ready\]\|time=T6s;"
NO_NUMBER = r"check_ftp: (Warning|Critical) threshold must be a number of seconds or a range: \S+"
TLS = r"CRITICAL - Cannot make SSL connection\. \([A-Za-z ]+\)\|time=T6s;;;0\.000000;(2|10)\.000000"
LATE = escape("CRITICAL - Socket timeout after 2 seconds (greeting)|time=T6s;;;0.000000;2.000000")
HERS = r"check_ftp v[\d.]+ \(noidchecks [\d.]+\)"

DIFFERENT: list[tuple[str, str, int, str, str]] = [
    (RANGE, "ready", 1, rf"{DONE}(1:2|5:);;.*", "-w 1:2 / -w 5:"),
    (RANGE, "ready", 0, rf"{DONE}(~:5|@1:2|5\.000000);;.*", "-w ~:5 / -w @1:2 / -w :5"),
    (NUMBER, "ready", 3, NO_NUMBER,
     "-w 5s / -w 1,5 / -w abc / -w inf / -w nan / -w 0x10 / -w 1e999 / -w --5 / -w 5% / -c abc / -w 10:1 / -w x -h"),
    (TIMEOUT_STATE, "ready", 0, rf"{DONE};;.*",
     "-t 10:critical / -t 10:warning / -t 10:ok / -t 10:UNKNOWN / -t 10:2"),
    (TIMEOUT_STATE, "ready", 3, "check_ftp: Timeout state must be one of ok, warning, critical, unknown: ", "-t 10:"),
    (VERBOSE, "ready", 0, rf"{DONE};;.*\n\d\.\d+ -- connect\n.*", "-v / -vv / -vvv / --verb / -v -v"),
    (VERBOSE, "full", 1, r"FTP WARNING - Unexpected response from host/socket: 530 [^|]*\|time=T6s;.*\n.*", "-v"),
    (VERBOSE, "silent", 2, rf"{LATE}\n.*", "-t 2 -v"),
    (VERBOSE, "closes", 2, r"No data received from host\|time=T6s;;;0\.000000;10\.000000\n.*", "-v"),
    (NO_TLS, "ready", 2, TLS, "-S / -jS / --ssl / --cert 3 / --sni x / -D 30"),
    (NO_TLS, "ends", 2, TLS, "-S / -t 2 -D 30"),
    (NO_TLS, "closes", 2, TLS, "-S / -t 2 -D 30"),
    (OWN, "ready", 3, rf"{HERS}(\n\nThis plugin tests FTP connections .*)?",
     "-h / -V / --help / --version / -hV / -Vh / -h -p x / --vers"),
    ("a limit does not hide a mismatch (2.5.5)", "full", 1,
     r"FTP WARNING - Unexpected response from host/socket: 530 Too many connections\|time=T6s;.*", "-m 3"),
    ("a device may never end", "ready", 3, "Can't read config file: it is no regular file", "--extra-opts=x@/dev/null"),
    ("a folder is no file of options", "ready", 3, "Can't read config file: Is a directory", "--extra-opts=@/etc"),
    (MODULO, "none", 3, "check_ftp: Port must be a positive integer, at most 65535", "-p 65536 / -p 70000"),
]  # fmt: skip


ALIKE = [(kind, line) for kind, text in SAME.items() for line in lines(text, "-H {h} -p {p} ")]
ALIKE += [(kind, line) for kind, text in BARE.items() for line in lines(text)]
UNLIKE = [
    # SIGPIPE ends the C plugin in nine handshakes of ten, the others it survives.
    (kind, line, Difference(reason, code, pattern, always=reason != NO_TLS))
    for reason, kind, code, pattern, text in DIFFERENT
    for line in lines(text, "-H {h} " if kind == "none" else "-H {h} -p {p} ")
]


@pytest.mark.parametrize(("kind", "line"), ALIKE)
def test_the_same(kind: str, line: str) -> None:
    with peer(PEERS[kind]) as port:
        theirs, ours = both("check_ftp", filled(line, port))
    assert_same(theirs, ours, None)


@pytest.mark.parametrize(("kind", "line", "difference"), UNLIKE)
def test_meant_to_differ(kind: str, line: str, difference: Difference) -> None:
    with peer(PEERS[kind]) as port:
        theirs, ours = both("check_ftp", filled(line, port))
    assert_same(theirs, ours, difference)

"""check_ftp beside the C plugin: the same state, exit code and text, except where a difference is intended."""

from __future__ import annotations

from pathlib import Path
from re import escape

import pytest

from integration.contract.compare import Difference, assert_same, both, filled, peer
from tests.support.peers import Client, Peer, Step, await_text, close, half_close, reset, silent

pytestmark = pytest.mark.root

PERF = escape("|time=T6s;;;0.000000;10.000000")
PERF2 = escape("|time=T6s;;;0.000000;2.000000")
ON = r"on 127\.0\.0\.1 port \d+"
OK = rf"FTP OK - T3 second response time {ON} "
BAD = "FTP WARNING - Unexpected response from host/socket: "

READY: list[Step] = [b"220 Fake FTP ready\r\n"]
FULL: list[Step] = [b"530 Too many connections\r\n"]
LONG: list[Step] = [b"220" + b"y" * 9000]


async def echo(client: Client) -> None:
    """Answers what was sent."""
    await client.send(b"GOT:" + await client.receive())


THREE_SEGMENTS: list[Step] = [b"220-one\r\n", 0.2, b"220-two\r\n", 0.2, b"220 last\r\n"]

ROWS: list[tuple[str, list[Step] | None, str | list[str], Difference | None]] = [
    ("plain", READY, "-H {h} -p {p}", None),
    ("positional first", READY, "{h} -p {p}", None),
    ("positional last", READY, "-p {p} {h}", None),
    ("no host", READY, "-p {p}", None),
    ("thresholds", READY, "-H {h} -p {p} -w 1 -c 2 -t 30", None),
    ("warning", READY, "-H {h} -p {p} -w 0 -c 5", None),
    ("critical", READY, "-H {h} -p {p} -w 0 -c 0", None),
    ("slow", [1.5, b"220 slow FTP\r\n"], "-H {h} -p {p} -w 1 -c 3", None),
    ("-wt -ct -to", READY, "-H {h} -p {p} -wt 300 -ct 600 -to 3", None),
    ("thresholds in one word", READY, ["-H", "{h}", "-p", "{p}", "-w 5 -c 10"], None),
    ("parsing stops at an empty word", None, ["-H", "{h}", "", "-p", "99"], None),
    ("empty last word", READY, ["-H", "{h}", "-p", "{p}", ""], None),
    ("stray words", READY, "-H {h} -p {p} junk words", None),
    ("last host wins", READY, "-H nosuch.invalid -H {h} -p {p}", None),
    ("ignored options", READY, "-H {h} -4 -p {p} -C 1 -W 2 --protocol x", None),
    ("cluster and glued values", READY, "-jw1 -H{h} -p{p}", None),
    ("prefixes", READY, "--hostname={h} --po={p} --ti 5", None),
    ("blank behind the port", READY, ["-H", "{h}", "-p", "{p} "], None),
    ("short address", READY, "-H 127.1 -p {p}", None),
    ("address as a number", READY, "-H 2130706433 -p {p}", None),
    ("Icinga's words", READY, "-H {h} -M warn -p {p} -r crit -t 10", None),
    ("refused", None, "-H {h} -p 1", None),
    ("refused, ok", None, "-H {h} -p 1 -r ok", None),
    ("refused, warn", None, "-H {h} -p 1 -r warn", None),
    ("missing socket", None, "-H /nonexistent", None),
    ("missing socket, -r ok", None, "-H /nonexistent -r ok", Difference(
        "a missing socket is no refusal (2.5.3)", 2,
        rf"connect to file socket /nonexistent: No such file or directory{PERF}")),
    ("unreachable, -r ok", None, "-H 192.0.2.1 -p 1 -r ok", Difference(
        "an unreachable network is no refusal (2.5.3)", 2,
        rf"connect to address 192\.0\.2\.1 and port 1: Network is unreachable{PERF}")),
    ("silent", [silent], "-H {h} -p {p} -t 2", None),
    ("silent, -r ok", [silent], "-H {h} -p {p} -t 2 -r ok", None),
    ("closes", [close], "-H {h} -p {p}", None),
    ("closes, -M ok", [close], "-H {h} -p {p} -M ok", None),
    ("resets", [0.1, reset], "-H {h} -p {p}", None),
    ("unknown name", None, "-H nosuch.invalid", None),
    ("empty name", None, ["-H", ""], None),
    ("name with a blank", None, ["-H", "127.0.0.1 "], None),
    ("address in brackets", None, "-H [::1]", None),
    ("address of the other family", None, "-4 -H ::1", None),
    ("address of the other family", None, "-6 -H 127.0.0.1", None),
    ("wrong greeting", FULL, "-H {h} -p {p}", None),
    ("wrong greeting, -M ok", FULL, "-H {h} -p {p} -M ok", None),
    ("wrong greeting, -M warn", FULL, "-H {h} -p {p} -M warn", None),
    ("wrong greeting, -M crit", FULL, "-H {h} -p {p} -M crit", None),
    ("wrong greeting with thresholds", FULL, "-H {h} -p {p} -M crit -w 1 -c 2", None),
    ("wrong greeting and critical", FULL, "-H {h} -p {p} -w 0 -c 0 -M ok", None),
    ("wrong greeting and warning", FULL, "-H {h} -p {p} -w 0 -M ok", None),
    ("wrong greeting, jailed", FULL, "-H {h} -p {p} -j", None),
    ("one byte", [b"x"], "-H {h} -p {p}", Difference("one byte is shown like more (2.5.6)", 1, rf"{BAD}x{PERF}")),
    ("421", [b"421 Too many users\r\n"], "-H {h} -p {p}", None),
    ("120 and nothing more", [b"120 wait\r\n", half_close], "-H {h} -p {p}", None),
    ("120, then 220", [b"120 wait\r\n", 0.3, b"220 now\r\n"], "-H {h} -p {p}", Difference(
        "120 announces the 220 that follows", 0, rf"{OK}\[120 wait 220 now\]{PERF}")),
    ("line end first", [b"\r\n220 x\r\n"], "-H {h} -p {p}", Difference(
        "an empty line before the reply is passed over, as by clients", 0, rf"{OK}\[ 220 x\]{PERF}")),
    ("an SSH server", [b"SSH-2.0-OpenSSH_9.2\r\n"], "-H {h} -p {p}", None),
    ("expected", READY, "-H {h} -p {p} -e ready", None),
    ("one of two expected", READY, "-H {h} -p {p} -e nope -e Fake", None),
    ("both expected", READY, "-H {h} -p {p} -e ready -e Fake -A", None),
    ("not expected", READY, "-H {h} -p {p} -e READY", None),
    ("not all expected", READY, "-H {h} -p {p} -e nope -e Fake -A", None),
    ("split", [b"22", 0.3, b"0 split banner\r\n"], "-H {h} -p {p}", None),
    ("half a code", [b"22"], "-H {h} -p {p}", None),
    ("lines in one segment", [b"220-one\r\n220-two\r\n220 last\r\n"], "-H {h} -p {p}", Difference(
        "one line (2.5.4)", 0, rf"{OK}\[220-one 220-two 220 last\]{PERF}")),
    ("lines in three segments", THREE_SEGMENTS, "-H {h} -p {p}", Difference(
        "a greeting is read to its last line", 0, rf"{OK}\[220-one 220-two 220 last\]{PERF}")),
    ("a greeting that never ends", [b"220-one\r\n"], "-H {h} -p {p} -t 2", Difference(
        "a greeting that no client could get past is none", 2,
        rf"CRITICAL - Socket timeout after 2 seconds \(greeting\){PERF2}")),
    ("jail", READY, "-H {h} -p {p} -j", None),
    ("delay", READY, "-H {h} -p {p} -d 1 -w 0.5", None),
    ("delay beyond the deadline", READY, "-H {h} -p {p} -d 3 -t 2", None),
    ("send", [echo], ["-H", "{h}", "-p", "{p}", "-s", "HELP\\r\\n", "-e", "GOT"], None),
    ("send with escapes", [echo], ["-H", "{h}", "-p", "{p}", "-E", "-s", "HELP\\\\x\\q\\r\\n", "-e", "GOT"], None),
    ("quit with escapes", [await_text(b"A\n")], ["-H", "{h}", "-p", "{p}", "-E", "-q", "A\\n", "-t", "2"], None),
    ("limit", READY, "-H {h} -p {p} -m 2", None),
    ("limit with a mismatch", LONG, "-H {h} -p {p} -e ZZZ -m 5", Difference(
        "a limit does not hide a mismatch (2.5.5)", 1, rf"{BAD}220y{{1021}}{PERF}")),
    ("limit of two chunks", LONG, "-H {h} -p {p} -e ZZZ -m 2000", None),
    ("TLS on a plain server", READY, "-H {h} -p {p} -S", Difference(
        "no library internals (2.5.7)", 2,
        rf"CRITICAL - Cannot make SSL connection\. \(wrong version number\){PERF}")),
    ("hostile metric", [b"220 evil | load=99;1;2 text\r\n"], "-H {h} -p {p}", Difference(
        "no injected metrics (2.5.4)", 0, rf"{OK}\[220 evil   load=99;1;2 text\]{PERF}")),
    ("hostile line", [b"220 evil\nFTP OK - injected | x=1\r\n"], "-H {h} -p {p}", Difference(
        "no injected lines (2.5.4)", 0, rf"{OK}\[220 evil FTP OK - injected   x=1\]{PERF}")),
    ("NUL", [b"220 \0\1\xff..\r\n"], "-H {h} -p {p}", Difference(
        "control bytes are shown, not obeyed (2.5.4)", 0, rf"{OK}\[220 \\x00\\x01\\xff\.\.\]{PERF}")),
    ("UTF-8", [b"220 caf\xc3\xa9\r\n"], "-H {h} -p {p}", None),
    ("no line end", [b"220 no newline"], "-H {h} -p {p}", None),
    ("reset before QUIT", [b"500 x\r\n", 0.1, reset], "-H {h} -p {p} -e nope", Difference(
        "no death by SIGPIPE (2.5.1)", 1, rf"{BAD}500 x{PERF}")),
    ("no words", None, "", None),
    ("unknown option", None, "-X", None),
    ("missing value", None, "-H", None),
    ("ambiguous", None, "--warn 5", None),
    ("port abc", None, "-p abc", None),
    ("port 0", None, "-p 0", None),
    ("port -5", None, "-p -5", None),
    ("port 99999", None, "-p 99999 -H {h}", Difference(
        "no silent port modulo 65536", 3, "check_ftp: Port must be a positive integer, at most 65535")),
    ("timeout abc", None, "-t abc", None),
    ("timeout 0", None, "-t 0", None),
    ("timeout 1.5", None, "-t 1.5", None),
    ("threshold abc", None, "-w abc -H {h} -p 1", Difference(
        "a threshold that is no number is an error", 3,
        "check_ftp: Warning threshold must be a number of seconds or a range: abc")),
    ("refuse x", None, "-r x", None),
    ("refuse OK", None, "-r OK", None),
    ("mismatch x", None, "-M x", None),
    ("maxbytes 0", None, "-m 0", None),
    ("delay 0", None, "-d 0", None),
    ("certificate x", None, "-D x", None),
    ("certificate 30,y", None, "-D 30,y", None),
    ("certificate -1", None, "-D -1", None),
    ("long path", None, ["-H", "/" + "a" * 120], None),
]  # fmt: skip


@pytest.mark.parametrize(("script", "words", "difference"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_same_or_meant_to_differ(
    script: list[Step] | None, words: str | list[str], difference: Difference | None
) -> None:
    with peer(script) as port:
        theirs, ours = both("check_ftp", filled(words, port))
    assert_same(theirs, ours, difference)


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "ftp")
    with Peer(*READY, host=path):
        theirs, ours = both("check_ftp", ["-H", path])
    assert str(ours) == str(theirs)
    assert f"on socket {path} [220 Fake FTP ready]" in ours.text


def test_ipv6() -> None:
    with Peer(*READY, host="::1") as peer:
        theirs, ours = both("check_ftp", ["-H", "::1", "-p", str(peer.port)])
    assert str(ours) == str(theirs)

"""The table of the C plugins' outputs and hostile peers, over every driver and both families."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from noidchecks import DeadlineExceeded, NotConnected, PeerError, Range, Result, SshProbe, State, check_async, survey
from noidchecks.drivers.session import Session, run
from noidchecks.ssh.dialogue import OUR_IDENTIFICATION
from tests.support.ssh import HOLD, LISTEN, RESET, Step, refused_port, serve
from tests.support.waiting import DEADLINES, LONG, until_async

Check = Callable[[SshProbe], Result]
Q = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
NOTHING = "SSH CRITICAL - No version control string received"
PERFDATA = re.compile(r"(?P<text>[^|\n]+) \| time=\d+\.\d{6}s;;;0\.000000;30\.000000")


def line_of(result: Result) -> str:
    """The status line without its performance data, of which there is exactly our own."""
    match = PERFDATA.fullmatch(str(result))
    assert match, str(result)
    assert match["text"].isprintable()
    return match["text"]


TABLE: list[tuple[str, tuple[Step, ...], dict[str, str], str]] = [
    ("plain", (Q,), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    (
        "-r other",
        (Q,),
        {"remote_version": "OpenSSH_8"},
        "SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0) version mismatch, expected 'OpenSSH_8'",
    ),
    ("-r software", (Q,), {"remote_version": "OpenSSH_9.2p1"}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    (
        "-r with comment",
        (Q,),
        {"remote_version": "OpenSSH_9.2p1 Debian-2+deb12u3"},
        "SSH OK - OpenSSH_9.2p1 (protocol 2.0)",
    ),
    (
        "-P other",
        (Q,),
        {"remote_protocol": "1.99"},
        "SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0) protocol version mismatch, expected '1.99'",
    ),
    ("1.99", (b"SSH-1.99-Cisco-1.25\n",), {}, "SSH OK - Cisco-1.25 (protocol 1.99)"),
    ("1.5", (b"SSH-1.5-1.2.27\n",), {}, "SSH OK - 1.2.27 (protocol 1.5)"),
    ("digits", (b"SSH-2.0-3.2.9.1\r\n",), {}, "SSH OK - 3.2.9.1 (protocol 2.0)"),
    ("comment", (b"SSH-2.0-Foo bar baz comment\r\n",), {}, "SSH OK - Foo (protocol 2.0)"),
    ("two lines first", (b"Welcome line 1\r\nLegal notice\r\n" + Q,), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("slow line first", (b"Welcome\r\n", 0.2, Q), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    (
        "500 characters",
        (b"SSH-2.0-".ljust(508, b"x") + b"\r\n", HOLD),
        {},
        f"SSH CRITICAL - Invalid protocol version control string SSH-2.0-{'x' * 89}... (longer than 255 bytes)",
    ),
    (
        "255 bytes",
        (b"SSH-2.0-".ljust(253, b"x") + b"\r\n", HOLD),
        {},
        f"SSH OK - {'x' * 245} (protocol 2.0)",
    ),
    ("split", (b"SSH-2.0-x", 0.1, b"yz\r\n", HOLD), {}, "SSH OK - xyz (protocol 2.0)"),
    ("no line end", (b"SSH-2.0-OpenSSH_9.2p1",), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("NUL", (b"SSH-2.0-a\0b\xff\r\n", HOLD), {}, "SSH OK - a\\x00b\\xff (protocol 2.0)"),
    ("pipe", (b"SSH-2.0-evil|load=99;1;2 c|x=1\r\n",), {}, "SSH OK - evil load=99;1;2 (protocol 2.0)"),
    ("newline", (b"SSH-2.0-evil\nSSH OK - injected|x=1\n",), {}, "SSH OK - evil (protocol 2.0)"),
    ("carriage return", (b"SSH-2.0-evil\rSSH| OK\n",), {}, "SSH OK - evil SSH  (protocol 2.0)"),
    ("escapes", (b"SSH-2.0-\x1b[31mred\x9b\xe2\x80\xae\r\n",), {}, "SSH OK - \\x1b[31mred\\x9b\\u202e (protocol 2.0)"),
    ("FTP that closes", (b"220 I am FTP\r\n",), {}, NOTHING),
    ("SSH-", (b"SSH-\r\n",), {}, "SSH CRITICAL - Invalid protocol version control string SSH-"),
    ("SSH-2.0", (b"SSH-2.0\r\n",), {}, "SSH CRITICAL - Invalid protocol version control string SSH-2.0"),
    ("lower case", (b"ssh-2.0-lower\r\n",), {}, NOTHING),
    ("overloaded", (b"Exceeded MaxStartups\r\n",), {}, "SSH WARNING - Server is overloaded: Exceeded MaxStartups"),
    (
        "penalised",
        (b"Not allowed at this time\r\n",),
        {},
        "SSH WARNING - Server is overloaded or penalising us: Not allowed at this time",
    ),
    ("closes at once", (), {}, NOTHING),
    ("resets at once", (RESET,), {}, NOTHING),
    ("resets inside a line", (b"SSH-2.0-Open", 0.05, RESET), {}, NOTHING),
    ("resets after a line", (b"Welcome\r\n", 0.05, RESET), {}, NOTHING),
    ("waits for us", (LISTEN, Q), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("one byte at a time", tuple(Q[i : i + 1] for i in range(len(Q))), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("long line first", (b"w" * 3000 + b"\r\n" + Q,), {}, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("too many lines", (b"w\n" * 2000, HOLD), {}, f"{NOTHING} in 1024 lines"),
    ("endless line", (b"w" * 100_000, HOLD), {}, f"{NOTHING} in 65536 bytes"),
    ("MySQL that closes", (b"J\0\0\0\n8.0.36\0",), {}, NOTHING),
]


@pytest.mark.parametrize(("steps", "settings", "text"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(run: Check, host: str, steps: tuple[Step, ...], settings: dict[str, str], text: str) -> None:
    with serve(*steps, host=host) as server:
        probe = SshProbe(host, port=server.port, timeout=30, **settings)  # type: ignore[arg-type]
        result = run(probe)
    assert line_of(result) == text
    assert result.text.split()[1] == result.state.name


def test_identification_string_is_sent(run: Check, host: str) -> None:
    with serve(Q, host=host) as server:
        assert run(SshProbe(host, port=server.port)).ok
        assert server.heard() == OUR_IDENTIFICATION


@pytest.mark.parametrize("greeting", [b"220 (vsFTPd 3.0.3)\r\n", b"\xff\xfd\x18\xff\xfd\x20login: "])
def test_server_of_another_protocol_is_known_after_the_read_gap(
    run: Check, greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.ssh.dialogue.READ_GAP", 0.2)
    with serve(greeting, HOLD) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, timeout=30))
        assert result.timings.total >= 0.2
        assert server.heard() == b""
    assert line_of(result) == NOTHING
    assert isinstance(result.failure, PeerError)
    assert result.failure.received == greeting


def test_silence(run: Check, host: str) -> None:
    with serve(HOLD, host=host) as server:
        for timeout in DEADLINES:
            result = run(SshProbe(host, port=server.port, timeout=timeout))
            if "greeting" in result.timings.phases:
                break
    assert result.timings.total >= timeout
    assert result.text == f"CRITICAL - Socket timeout after {timeout:g} seconds (greeting)"
    assert isinstance(result.failure, DeadlineExceeded)


@pytest.mark.parametrize("step", [b"w", b"w\n", b"SSH-2.0-x"])
def test_endless_drops(run: Check, step: bytes) -> None:
    with serve(*((step, 0.05) * 40)) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, timeout=0.5))
    assert result.text == "CRITICAL - Socket timeout after 0.5 seconds (greeting)"


def test_timeout_state(run: Check) -> None:
    with serve(HOLD) as server:
        probe = SshProbe("127.0.0.1", port=server.port, timeout=0.2, timeout_state=State.UNKNOWN)
        assert run(probe).state == State.UNKNOWN


def test_refusal(run: Check, host: str) -> None:
    port = refused_port(host)
    result = run(SshProbe(host, port=port, timeout=30))
    assert line_of(result) == f"connect to address {host} and port {port}: Connection refused"
    assert isinstance(result.failure, NotConnected)


def test_unknown_name(run: Check) -> None:
    result = run(SshProbe("nosuch.invalid"))
    assert str(result) == "check_ssh: Invalid hostname/address - nosuch.invalid"
    assert result.state == State.UNKNOWN


def test_unix_socket(run: Check, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with serve(Q, host=path):
        assert run(SshProbe(path)).ok
    assert run(SshProbe(f"{path}.none")).text == (f"connect to file socket {path}.none: No such file or directory")


def test_source_that_is_not_ours(run: Check) -> None:
    result = run(SshProbe("127.0.0.1", port=1, source="192.0.2.1"))
    assert result.state == State.UNKNOWN
    assert result.text.startswith("SSH UNKNOWN - cannot use source address 192.0.2.1")
    assert result.text.isprintable()


def test_thresholds(run: Check) -> None:
    with serve(0.2, Q) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, warning=Range(0, 0.1), critical=Range(0, 50)))
    assert re.fullmatch(
        r"SSH WARNING - OpenSSH_9\.2p1 \(protocol 2\.0\), \d+\.\d\d\d second response time"
        r" \| time=\d+\.\d{6}s;0\.100000;50\.000000;0\.000000;10\.000000",
        str(result),
    )


def test_phases_and_facts(run: Check) -> None:
    with serve(b"Welcome | x=1\r\n", Q) as server:
        result = run(SshProbe("127.0.0.1", port=server.port, show_phases=True))
    assert list(result.timings.phases) == ["resolve", "connect", "greeting"]
    assert [metric.label for metric in result.metrics] == ["time", "dns", "connect", "greeting"]
    assert result.facts["pre_banner_lines"] == ["Welcome   x=1"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"", NOTHING),
        (Q, "SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
        (b"SSH-\r\n", None),
        (b"Exceeded MaxStartups\n", None),
    ],
)
def test_reset_before_the_connection_was_looked_at(said: bytes, text: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = SshProbe("127.0.0.1", port=server.getsockname()[1], timeout=30)
        session = Session(probe.dialogue(), 30)
        assert session.advance()
        peer, _ = server.accept()
        peer.sendall(said)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        run(session)
    result = probe.judge(session.value, session.timings)
    assert "connect to address" not in result.text
    assert text is None or line_of(result) == text


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("steps", [(Q,), (HOLD,), (RESET,), (b"Exceeded MaxStartups\r\n",), (b"SSH-\r\n",)], ids=repr)
def test_no_descriptor_is_left(run: Check, steps: tuple[Step, ...]) -> None:
    before = open_files()
    with serve(*steps) as server:
        run(SshProbe("127.0.0.1", port=server.port, timeout=0.2))
    run(SshProbe("127.0.0.1", port=refused_port(), timeout=0.2))
    assert open_files() == before


async def test_cancelled_check_closes_its_socket() -> None:
    before = open_files()
    with serve(HOLD) as server:
        inside = open_files()
        task = asyncio.create_task(check_async(SshProbe("127.0.0.1", port=server.port)))
        # Ours, the server's, and the epoll of the sessions.
        await until_async(lambda: open_files() == inside + 3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert server.heard() == b""
    assert open_files() == before


def test_survey_of_many() -> None:
    with serve(Q) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        good = [SshProbe("127.0.0.1", port=server.port, timeout=LONG) for _ in range(20)]
        bad = [SshProbe("127.0.0.1", port=silent.getsockname()[1], timeout=0.3) for _ in range(20)]
        states = [result.state for _, result in survey(good + bad)]
    assert states.count(State.OK) == 20
    assert states.count(State.CRITICAL) == 20

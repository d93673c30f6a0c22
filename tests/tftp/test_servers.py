from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

import noidchecks
from noidchecks import Range, Result, State, TftpProbe, survey
from tests.conftest import Check
from tests.fakes.tftp import (
    Script,
    Server,
    Session,
    ack,
    at_once,
    blocks,
    data,
    dead_port,
    delivering,
    error,
    oack,
    pairs,
    sending,
)
from tests.patience import DEADLINES, LONG

PERFDATA = re.compile(r"time=\d+\.\d{6}s;;;0\.000000;\d+\.\d{6}( size=\d+B;[^ ;]*;[^ ;]*;0)? retransmissions=\d+;;;0")
CONTENT = bytes(range(256)) * 17


class Serve(Protocol):
    """Starts a server on the address family under test; it is closed after the test."""

    def __call__(self, script: Script, *, lose: int = 0) -> Server: ...


@pytest.fixture
def serve(host: str) -> Iterator[Serve]:
    started: list[Server] = []

    def start(script: Script, *, lose: int = 0) -> Server:
        started.append(Server(script, host, lose=lose))
        return started[-1]

    yield start
    for server in started:
        server.close()


def line_of(result: Result) -> str:
    """The status line without its performance data, of which there is exactly our own."""
    text, _, perfdata = str(result).partition("|")
    assert PERFDATA.fullmatch(perfdata), perfdata
    assert text.isprintable()
    return text


def test_file(check: Check, serve: Serve, host: str, nothing_left: Callable[[], None]) -> None:
    server = serve(delivering(CONTENT))
    digest = hashlib.sha256(CONTENT).hexdigest()
    result = check(TftpProbe(host, "f", port=server.port, sha256=digest, size=Range(len(CONTENT), len(CONTENT))))
    line = re.sub(r"in \d\.\d seconds", "in N seconds", line_of(result))
    assert line == f"TFTP OK - Received 4352 bytes in N seconds from {host} port {server.port} [f]"
    assert server.wait_for(ack(9))
    assert list(result.timings.phases) == ["resolve", "greeting", "transfer"]
    server.close()


def test_absent_file(check: Check, serve: Serve, host: str) -> None:
    server = serve(sending(error(1, b"File not found")))
    result = check(TftpProbe(host, port=server.port))
    assert re.fullmatch(
        rf"TFTP OK - \d\.\d{{3}} second response time on {re.escape(host)} port {server.port} \[File not found\]",
        line_of(result),
    )


def test_options(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        assert session.options == {b"blksize": b"1024", b"tsize": b"0", b"windowsize": b"2"}
        session.send(oack(blksize=1024, tsize=len(CONTENT), windowsize=2))
        assert session.receive() == ack(0)
        packets = blocks(CONTENT, 1024)
        session.send(*packets[:2])
        assert session.receive() == ack(2)
        session.send(*packets[2:4])
        assert session.receive() == ack(4)
        session.send(*packets[4:])
        assert session.receive() == ack(5)

    server = serve(script)
    result = check(TftpProbe(host, "f", port=server.port, blksize=1024, tsize=True, windowsize=2))
    assert result.ok, str(result)
    assert result.facts["options"] == {"blksize": 1024, "tsize": 4352, "windowsize": 2}
    assert server.wait_for(ack(5))


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (sending(error(1, b"File not found")), "f: File not found (error 1)"),
        (sending(error(2, b"a|x=1\n\x1b[2J\xff<b>")), "f: a x=1 \\x1b[2J\\xff< b> (error 2)"),
        (sending(error(1, b"x" * 60000)), f"f: {'x' * 397}... (error 1)"),
        (sending(data(1, b"x" * 513)), "DATA block 1: expected at most 512 bytes, received 513"),
        (sending(data(1, b"x" * 60000)), "DATA block 1: expected at most 512 bytes, received 60000"),
        (sending(data(2)), "packet: expected DATA block 1, received DATA block 2"),
        (sending(b"GET / HTTP/1.0\r\n\r\n"), "packet: expected DATA, OACK or ERROR, received opcode 18245"),
        (sending(b"\0\0\0\0"), "packet: expected DATA, OACK or ERROR, received opcode 0"),
        (sending(b""), "packet: expected a whole DATA, OACK or ERROR, received '' (0 bytes)"),
        (sending(oack(blksize=2048)), "blksize: expected 8 to 1024, received 2048"),
        (sending(oack(timeout=1)), "OACK: expected blksize, received 'timeout', which was not asked for"),
        (sending(pairs((b"blksize", b"8"), (b"blksize", b"9"))), "OACK: expected blksize once, received blksize twice"),
        (sending(data(1, b"x" * 512), oack(blksize=8)), "packet: expected DATA block 2, received OACK"),
    ],
)
def test_sick_servers(check: Check, serve: Serve, host: str, script: Script, text: str) -> None:
    server = serve(script)
    result = check(TftpProbe(host, "f", port=server.port, blksize=1024))
    assert result.state == State.CRITICAL
    assert line_of(result) == f"TFTP CRITICAL - {text}"


def test_server_is_told_of_its_error(check: Check, serve: Serve, host: str) -> None:
    server = serve(sending(oack(blksize=2048)))
    check(TftpProbe(host, "f", port=server.port, blksize=1024))
    assert server.wait_for(b"\0\5\0\x08Option negotiation failed\0")


def test_lost_request(check: Check, serve: Serve, host: str) -> None:
    server = serve(delivering(CONTENT), lose=2)
    result = check(TftpProbe(host, "f", port=server.port, timeout=4))
    assert result.ok, str(result)
    # A busy server is asked once more.
    assert int(str(result.facts["retransmissions"])) >= 2
    assert len(server.requests) >= 3


def test_lost_acknowledgement_and_duplicates(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        packets = blocks(CONTENT)
        for number, packet in enumerate(packets, 1):
            session.send(packet, packet)
            while session.receive() != ack(number):
                pass

    result = check(TftpProbe(host, "f", port=serve(script).port))
    assert result.ok, str(result)
    assert f"Received {len(CONTENT)} bytes" in result.text


def test_lost_block_is_asked_for(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        session.send(data(1, b"x" * 512))
        assert session.receive() == ack(1)
        # Block 2 is lost, and this server does not send it again by itself.
        assert session.receive() == ack(1)
        session.send(data(2))

    result = check(TftpProbe(host, "f", port=serve(script).port, timeout=4))
    assert result.ok, str(result)
    assert int(str(result.facts["retransmissions"])) >= 1


def test_two_answers_to_a_request_sent_twice(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        if len(session.server.requests) == 1:
            # Slow, so that the client asks again.
            session.receive(1.2)
        session.deliver(CONTENT)

    server = serve(script)
    result = check(TftpProbe(host, "f", port=server.port, timeout=4))
    assert result.ok, str(result)
    assert f"Received {len(CONTENT)} bytes" in result.text


def test_packets_of_other_ports(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        stranger = session.stranger()
        session.send(data(1, b"x" * 512))
        assert session.receive() == ack(1)
        stranger.sendto(data(2, b"evil"), session.client)
        assert session.server.receive(stranger) == b"\0\5\0\5Unknown transfer ID\0"
        session.send(data(2, b"good!"))

    result = check(TftpProbe(host, "f", port=serve(script).port))
    assert result.text.startswith("TFTP OK - Received 517 bytes")
    assert result.facts["stray_packets"] == 1


def test_packets_of_a_stranger_whose_port_is_dead(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        session.send(data(1, b"x" * 512))
        assert session.receive() == ack(1)
        for _ in range(5):
            with socket.socket(session.server.family, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(data(2, b"evil"), session.client)
            # Closed by now: our ERROR 5 comes back as an ICMP message.
        session.receive(0.05)
        session.send(data(2, b"good!"))

    result = check(TftpProbe(host, "f", port=serve(script).port))
    assert result.text.startswith("TFTP OK - Received 517 bytes"), str(result)
    assert result.facts["stray_packets"] == 5


def test_packets_of_another_host(check: Check) -> None:
    def script(session: Session) -> None:
        session.stranger("127.0.0.2").sendto(data(1, b"evil"), session.client)
        session.send(data(1, b"good!"))

    with Server(script) as server:
        result = check(TftpProbe("127.0.0.1", "f", port=server.port))
    assert result.text.startswith("TFTP WARNING - f: 1 packet came from 127.0.0.2:")
    assert result.facts["size"] == 5
    assert result.facts["stray_packets"] == 1


def test_answers_of_another_host_only(check: Check) -> None:
    def script(session: Session) -> None:
        session.stranger("127.0.0.2").sendto(data(1, b"evil"), session.client)

    with Server(script) as server:
        for timeout in DEADLINES:
            result = check(TftpProbe("127.0.0.1", "f", port=server.port, timeout=timeout, retries=0))
            if result.facts["stray_packets"]:
                break
    assert re.fullmatch(
        rf"TFTP CRITICAL - Socket timeout after {timeout:g} seconds \(greeting\), but 1 packet came from 127.0.0.2:\d+",
        line_of(result),
    )


def test_dead_port(check: Check, host: str, nothing_left: Callable[[], None]) -> None:
    port = dead_port(host)
    result = check(TftpProbe(host, "f", port=port))
    assert line_of(result) == f"TFTP CRITICAL - connect to address {host} and port {port}: Connection refused"


def test_transfer_port_that_dies(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        session.send(data(1, b"x" * 512))
        session.socket.close()
        session.socket = session.stranger()

    result = check(TftpProbe(host, "f", port=serve(script).port))
    assert line_of(result) == "TFTP CRITICAL - connection lost (transfer): Connection refused"


def test_silence(check: Check, serve: Serve, host: str, nothing_left: Callable[[], None]) -> None:
    server = serve(at_once([]))
    result = check(TftpProbe(host, "f", port=server.port, timeout=0.8, timeout_state=State.UNKNOWN))
    assert line_of(result) == "TFTP UNKNOWN - Socket timeout after 0.8 seconds (greeting)"
    assert result.timings.total >= 0.8
    # As many as fit in, fewer where the machine is busy.
    assert 2 <= len(server.requests) <= 4
    server.close()


def test_endless_file(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        number = 0
        while not session.server.closed:
            number += 1
            session.send(data(number, b"x" * 512))
            session.receive(0.2)

    for timeout in DEADLINES:
        result = check(TftpProbe(host, "f", port=serve(script).port, timeout=timeout))
        if "transfer" in result.timings.phases:
            break
    assert line_of(result) == f"TFTP CRITICAL - Socket timeout after {timeout:g} seconds (transfer)"


def test_flood(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        while not session.server.closed:
            session.send(data(1, b"x" * 512))

    for timeout in DEADLINES:
        server = serve(script)
        result = check(TftpProbe(host, "f", port=server.port, timeout=timeout))
        server.close()
        if "transfer" in result.timings.phases:
            break
    assert line_of(result) == f"TFTP CRITICAL - Socket timeout after {timeout:g} seconds (transfer)"
    assert server.heard.count(ack(1)) <= 5


async def test_cancelled_check_leaves_nothing(host: str) -> None:
    with Server(at_once([]), host) as server:
        task = asyncio.create_task(noidchecks.check_async(TftpProbe(host, "f", port=server.port)))
        # Ours, the server's, and the one that is to answer.
        async with asyncio.timeout(LONG):
            while len(server.sockets) < 2:  # noqa: ASYNC110 - the server is another thread
                await asyncio.sleep(0.01)
        before = _sockets()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert _sockets() == before - 1


def _sockets() -> int:
    with open("/proc/self/net/udp") as four, open("/proc/self/net/udp6") as six:
        ours = _inodes()
        return sum(line.split()[9] in ours for table in (four, six) for line in table.readlines()[1:])


def _inodes() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def test_source(check: Check) -> None:
    clients = []

    def script(session: Session) -> None:
        clients.append(session.client[0])
        session.deliver(b"OK")

    with Server(script) as server:
        assert check(TftpProbe("127.0.0.1", "f", port=server.port, source="127.0.0.3")).ok
    assert clients == ["127.0.0.3"]


def test_source_that_is_not_ours(check: Check) -> None:
    result = check(TftpProbe("127.0.0.1", "f", source="192.0.2.77"))
    assert result.state == State.UNKNOWN
    assert line_of(result).startswith("TFTP UNKNOWN - cannot use source address 192.0.2.77: ")


def test_name(check: Check) -> None:
    # localhost may have an IPv6 address too, on which nobody listens.
    with Server(delivering(b"OK")) as server:
        assert check(TftpProbe("localhost", "f", port=server.port)).ok


def test_name_that_does_not_exist(check: Check) -> None:
    result = check(TftpProbe("no such name", "f"))
    assert line_of(result) == "TFTP CRITICAL - Invalid hostname or address: no such name"


def test_survey(host: str, nothing_left: Callable[[], None]) -> None:
    with Server(delivering(CONTENT), host) as server:
        probes = [TftpProbe(host, f"f{number}", port=server.port) for number in range(50)]
        results = dict(survey(probes))
    assert len(results) == 50
    assert all(result.ok for result in results.values())

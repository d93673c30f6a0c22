"""TFTP servers on loopback, healthy and sick, under both drivers and on both families."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable

import pytest

import noidchecks
from noidchecks import Range, State, TftpProbe, survey
from tests.conftest import Check
from tests.support.tftp import (
    Script,
    Server,
    Session,
    ack,
    at_once,
    blocks,
    data,
    delivering,
    error,
    oack,
    pairs,
    sending,
)
from tests.support.tftp_serving import CONTENT, Serve, line_of
from tests.support.waiting import DEADLINES, until_async


def test_file(check: Check, serve: Serve, host: str, nothing_left: Callable[[], None]) -> None:
    server = serve(delivering(CONTENT))
    digest = hashlib.sha256(CONTENT).hexdigest()
    result = check(TftpProbe(host, "f", port=server.port, sha256=digest, size=Range(len(CONTENT), len(CONTENT))))
    line = re.sub(r"in \d\.\d seconds", "in N seconds", line_of(result))
    assert line == f"TFTP OK - Received 4352 bytes in N seconds from {host} port {server.port} [f]"
    server.wait_for(ack(9))
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
    server.wait_for(ack(5))


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
    server.wait_for(b"\0\5\0\x08Option negotiation failed\0")


def test_lost_request(check: Check, serve: Serve, host: str) -> None:
    server = serve(delivering(CONTENT), lose=2)
    result = check(TftpProbe(host, "f", port=server.port, timeout=20))
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

    result = check(TftpProbe(host, "f", port=serve(script).port, timeout=20))
    assert result.ok, str(result)
    assert int(str(result.facts["retransmissions"])) >= 1


def test_two_answers_to_a_request_sent_twice(check: Check, serve: Serve, host: str) -> None:
    def script(session: Session) -> None:
        if len(session.server.requests) == 1:
            # Slow, so that the client asks again.
            session.receive(1.2)
        session.deliver(CONTENT)

    server = serve(script)
    result = check(TftpProbe(host, "f", port=server.port, timeout=20))
    assert result.ok, str(result)
    assert f"Received {len(CONTENT)} bytes" in result.text


def test_silence(check: Check, serve: Serve, host: str, nothing_left: Callable[[], None]) -> None:
    server = serve(at_once([]))
    probe = TftpProbe(host, "f", port=server.port, timeout_state=State.UNKNOWN)
    # A busy machine has no time for a second request.
    for timeout in DEADLINES:
        server.requests.clear()
        result = check(probe.replace(timeout=timeout))
        if len(server.requests) > 1:
            break
    assert line_of(result) == f"TFTP UNKNOWN - Socket timeout after {timeout:g} seconds (greeting)"
    assert result.timings.total >= timeout
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
        result = check(TftpProbe(host, "f", port=server.port, timeout=timeout, retries=0))
        server.close()
        if "transfer" in result.timings.phases:
            break
    assert line_of(result) == f"TFTP CRITICAL - Socket timeout after {timeout:g} seconds (transfer)"
    # The first, and one for all duplicates. With retries there would be those that a silence calls for, as when the
    # flood pauses on a busy machine.
    assert server.heard.count(ack(1)) <= 2


async def test_cancelled_check_leaves_nothing(host: str) -> None:
    with Server(at_once([]), host) as server:
        task = asyncio.create_task(noidchecks.check_async(TftpProbe(host, "f", port=server.port)))
        # Ours, the server's, and the one that is to answer.
        await until_async(lambda: len(server.sockets) == 2)
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


def test_survey(host: str, nothing_left: Callable[[], None]) -> None:
    with Server(delivering(CONTENT), host) as server:
        probes = [TftpProbe(host, f"f{number}", port=server.port) for number in range(50)]
        results = dict(survey(probes))
    assert len(results) == 50
    assert all(result.ok for result in results.values())

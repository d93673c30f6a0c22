"""Addresses and ports over sockets: strangers, dead ports, sources, names."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from noidchecks import State, TftpProbe
from tests.conftest import Check
from tests.support.tftp import Server, Session, ack, data, dead_port, delivering
from tests.support.tftp_serving import Serve, line_of
from tests.support.waiting import DEADLINES


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
    result = check(TftpProbe("nosuch.invalid", "f"))
    assert line_of(result) == "TFTP CRITICAL - Invalid hostname or address: nosuch.invalid"

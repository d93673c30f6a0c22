"""The datagrams of a session, under both drivers and on both address families."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from noidchecks import LocalError, NotConnected, ProbeError
from noidchecks.address import AF_INET, AF_INET6, DATAGRAM, Address
from noidchecks.dialogue.operations import Datagram, Dialogue, OpenDatagram, Phase, ReceiveFrom, SendTo, Sleep
from noidchecks.drivers.sockets import Channel
from tests.conftest import Check
from tests.support.peers import unused_port
from tests.support.talk import TalkProbe, address_of, found

FAR = Address(AF_INET6, ("2001:db8::1", 21, 0, 0))
pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def echo(host: str) -> Iterator[Address]:
    """A datagram server that sends back what it gets, twice from another port when it begins with `2`."""
    family = AF_INET6 if ":" in host else AF_INET
    with socket.socket(family, DATAGRAM) as sock, socket.socket(family, DATAGRAM) as other:
        sock.bind((host, 0))
        other.bind((host, 0))

        def serve() -> None:
            while True:
                data, client = sock.recvfrom(65536)
                if data == b"stop":
                    return
                if data.startswith(b"2"):
                    other.sendto(b"stray", client)
                sock.sendto(data, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield address_of(host, sock.getsockname()[1])
        other.sendto(b"stop", sock.getsockname())
        thread.join()


def test_datagrams_come_with_their_address(check: Check, echo: Address) -> None:
    def dialogue() -> Dialogue[list[Datagram | None]]:
        channel = yield OpenDatagram(echo.family)
        silence = yield ReceiveFrom(channel, patience=0.02)
        yield SendTo(channel, b"2 one", echo)
        stray = yield ReceiveFrom(channel)
        answer = yield ReceiveFrom(channel)
        yield SendTo(channel, b"", echo)
        return [silence, stray, answer, (yield ReceiveFrom(channel, 4))]

    silence, stray, answer, empty = found(check(TalkProbe(dialogue)))
    assert silence is None
    assert stray.data == b"stray"
    assert stray.address.host == echo.host
    assert stray.address.port != echo.port
    assert answer == Datagram(b"2 one", echo)
    assert empty == Datagram(b"", echo)


def test_a_dead_port_is_refused_with_its_address(check: Check, host: str) -> None:
    dead = address_of(host, unused_port(host, socket.SOCK_DGRAM))

    def dialogue() -> Dialogue[object]:
        channel = yield OpenDatagram(dead.family)
        yield Phase("transfer")
        yield SendTo(channel, b"x", dead)
        return (yield ReceiveFrom(channel))

    failure = check(TalkProbe(dialogue)).failure
    assert isinstance(failure, NotConnected)
    assert (failure.code, failure.address, failure.phase) == (errno.ECONNREFUSED, dead, "transfer")


def test_an_error_of_a_stray_destination_carries_its_address(check: Check, echo: Address) -> None:
    dead = address_of(echo.host, unused_port(echo.host, socket.SOCK_DGRAM))

    def dialogue() -> Dialogue[object]:
        channel = yield OpenDatagram(echo.family)
        yield SendTo(channel, b"one", echo)
        yield SendTo(channel, b"x", dead)
        seen: list[object] = []
        while len(seen) < 2:
            try:
                seen.append((yield ReceiveFrom(channel)))
            except NotConnected as error:
                seen.append((error.code, error.address))
        # The error is taken from the queue: it neither comes again nor keeps the loop awake.
        seen.append((yield ReceiveFrom(channel, patience=0.05)))
        yield SendTo(channel, b"two", echo)
        seen.append((yield ReceiveFrom(channel)))
        return seen

    seen = found(check(TalkProbe(dialogue)))
    assert Datagram(b"one", echo) in seen[:2]
    assert (errno.ECONNREFUSED, dead) in seen[:2]
    assert seen[2:] == [None, Datagram(b"two", echo)]


def test_an_error_that_waits_is_told_by_the_next_sending(check: Check, host: str) -> None:
    dead = address_of(host, unused_port(host, socket.SOCK_DGRAM))
    other = address_of(host, unused_port(host, socket.SOCK_DGRAM))

    def dialogue() -> Dialogue[object]:
        channel = yield OpenDatagram(dead.family)
        yield SendTo(channel, b"x", dead)
        # The kernel may take its time to tell.
        while True:
            yield Sleep(0.01)
            yield SendTo(channel, b"x", other)

    failure = check(TalkProbe(dialogue)).failure
    assert isinstance(failure, NotConnected)
    assert failure.address == dead


def test_a_datagram_too_large_is_not_sent(check: Check, echo: Address) -> None:
    def dialogue() -> Dialogue[object]:
        channel = yield OpenDatagram(echo.family)
        try:
            yield SendTo(channel, b"x" * 70000, echo)
        except ProbeError as error:
            message = error.message
        yield SendTo(channel, b"small", echo)
        return message, (yield ReceiveFrom(channel))

    message, answer = found(check(TalkProbe(dialogue)))
    assert message.endswith("Message too long")
    # No error is left in the queue, for which the answer would be mistaken.
    assert answer == Datagram(b"small", echo)


def test_datagrams_come_from_the_source_address(check: Check, host: str, echo: Address) -> None:
    source = "::1" if ":" in host else "127.0.0.2"

    def dialogue() -> Dialogue[object]:
        channel = yield OpenDatagram(echo.family, source)
        yield SendTo(channel, b"x", echo)
        return (yield ReceiveFrom(channel))

    assert found(check(TalkProbe(dialogue))) == Datagram(b"x", echo)

    def wrong() -> Dialogue[object]:
        return (yield OpenDatagram(echo.family, "2001:db8::77" if ":" in host else "192.0.2.77"))

    assert isinstance(check(TalkProbe(wrong)).failure, LocalError)


class Prohibited:
    """A socket to a peer that may not be reached: this machine says so at once, a firewall beyond it by ICMPv6."""

    family = AF_INET6

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once

    def connect_ex(self, _: object) -> int:
        return self._at_once

    def getpeername(self) -> object:
        raise OSError(errno.ENOTCONN, "not yet")

    def getsockopt(self, *_: object) -> int:
        return errno.EACCES

    def sendto(self, *_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def recvfrom(self, _: int) -> tuple[bytes, object]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def recvmsg(self, _: int, __: int, flags: int) -> tuple[bytes, list[object], int, object]:
        assert flags == socket.MSG_ERRQUEUE
        if self._at_once == errno.EACCES:
            raise BlockingIOError
        return b"", [], 0, FAR.sockaddr


@pytest.mark.parametrize(("at_once", "code"), [(errno.EACCES, errno.EACCES), (errno.EINPROGRESS, errno.EHOSTUNREACH)])
def test_a_firewall_beyond_this_machine_is_no_refusal_of_its_own(at_once: int, code: int) -> None:
    channel = Channel(Prohibited(at_once), FAR)  # type: ignore[arg-type]  # plays a socket
    with pytest.raises(NotConnected, match="Permission denied") as stream:
        channel.connect(FAR)
    with pytest.raises(NotConnected, match="Permission denied") as sent:
        channel.send_to(b"x", FAR)
    assert [failure.value.code for failure in (stream, sent)] == [code, code]
    assert [failure.value.address for failure in (stream, sent)] == [FAR, FAR]


def test_what_is_said_of_a_datagram_later_is_of_the_way() -> None:
    channel = Channel(Prohibited(0), None)  # type: ignore[arg-type]  # plays a socket
    with pytest.raises(NotConnected) as failure:
        channel.receive_from(100)
    assert (failure.value.code, failure.value.address) == (errno.EHOSTUNREACH, FAR)

"""The streams of a session, under both drivers and on both address families."""

from __future__ import annotations

import _socket
import errno
import os
from pathlib import Path

import pytest

from noidchecks import LocalError, NotConnected
from noidchecks.address import AF_INET6, AF_UNIX, AF_UNSPEC, DATAGRAM, Address
from noidchecks.dialogue.operations import Close, Dialogue, Phase, Sleep
from noidchecks.dialogue.stream import Stream, open_stream
from noidchecks.drivers import sockets
from tests.conftest import Check, NewPeer
from tests.support.peers import Peer, close, drip, reset, take, unused_port
from tests.support.talk import Names, TalkProbe, address_of, found, open_to
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_a_stream_carries_bytes_both_ways(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"hello", take(3), b"bye", close)

    def dialogue() -> Dialogue[list[bytes | None]]:
        stream = yield from open_to(host, peer.port)
        assert stream.channel.address == address_of(host, peer.port)
        first = yield from stream.receive()
        yield from stream.send(b"abc")
        second = yield from stream.receive()
        third = yield from stream.receive()
        return [first, second, third]

    assert found(check(TalkProbe(dialogue))) == [b"hello", b"bye", b""]
    assert peer.received == [b"abc"]


def test_receive_gives_what_is_there_up_to_its_limit(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"0123456789", close)

    def dialogue() -> Dialogue[list[bytes]]:
        stream = yield from open_to(host, peer.port)
        yield Sleep(0.05)
        parts = []
        while part := (yield from stream.receive(4)):
            parts.append(part)
        return parts

    assert found(check(TalkProbe(dialogue))) == [b"0123", b"4567", b"89"]


def test_bytes_that_come_one_by_one_are_all_received(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(drip(b"220 one by one\r\n", 0.001), close)

    def dialogue() -> Dialogue[bytes]:
        stream = yield from open_to(host, peer.port)
        whole = b""
        while part := (yield from stream.receive()):
            whole += part
        return whole

    assert found(check(TalkProbe(dialogue))) == b"220 one by one\r\n"


def test_patience_ends_without_an_error(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(take(1), b"now")

    def dialogue() -> Dialogue[list[bytes | None]]:
        stream = yield from open_to(host, peer.port)
        at_once = yield from stream.receive(patience=0)
        later = yield from stream.receive(patience=0.05)
        yield from stream.send(b"x")
        return [at_once, later, (yield from stream.receive(patience=LONG))]

    result = check(TalkProbe(dialogue, timeout=LONG))
    assert found(result) == [None, None, b"now"]
    assert 0.05 <= result.timings.total < LONG


def test_megabytes_reach_a_slow_reader(check: Check, new_peer: NewPeer, host: str) -> None:
    data = bytes(range(256)) * 8192
    peer = new_peer(0.05, take(len(data)), b"got it")

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        yield from stream.send(data)
        yield from stream.send(b"")
        return (yield from stream.receive())

    assert found(check(TalkProbe(dialogue))) == b"got it"
    assert peer.received == [data]


def test_a_refused_connection_names_code_address_and_phase(check: Check, host: str) -> None:
    port = unused_port(host)

    def dialogue() -> Dialogue[Stream]:
        return (yield from open_to(host, port))

    result = check(TalkProbe(dialogue))
    assert result.text == "TALK CRITICAL - Connection refused"
    failure = result.failure
    assert isinstance(failure, NotConnected)
    assert (failure.code, failure.phase, failure.address) == (errno.ECONNREFUSED, "connect", address_of(host, port))


@pytest.mark.parametrize("operation", ["receive", "send"])
def test_a_reset_is_a_lost_connection(check: Check, new_peer: NewPeer, host: str, operation: str) -> None:
    peer = new_peer(take(1), reset)

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        yield Phase("data")
        yield from stream.send(b"x")
        while operation == "send":
            yield from stream.send(b"x" * 1000)
            yield Sleep(0.005)
        yield from stream.receive()

    failure = check(TalkProbe(dialogue)).failure
    assert isinstance(failure, NotConnected)
    assert failure.code in (errno.ECONNRESET, errno.EPIPE)
    assert (failure.phase, failure.address) == ("data", address_of(host, peer.port))


def test_the_next_address_is_tried_when_one_refuses(check: Check, new_peer: NewPeer, host: str, names: Names) -> None:
    peer = new_peer(b"here")
    addresses = (address_of(host, unused_port(host)), address_of(host, peer.port))
    names[b"host.example"] = lambda: addresses

    def dialogue() -> Dialogue[object]:
        stream = yield from open_to("host.example", 1)
        return stream.channel.address, (yield from stream.receive())

    assert found(check(TalkProbe(dialogue))) == (addresses[1], b"here")
    names[b"host.example"] = lambda: (addresses[0], addresses[0])
    assert isinstance(check(TalkProbe(dialogue)).failure, NotConnected)


class _WithoutIpv6(_socket.socket):
    """An IPv6 socket on a machine without IPv6, or, without ports, on one whose streams have used up all ports."""

    ports = True

    def connect_ex(self, address: object, /) -> int:
        return 0 if self.type == DATAGRAM and not self.ports else errno.EADDRNOTAVAIL


@pytest.fixture
def without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = sockets._open
    monkeypatch.setattr(
        sockets,
        "_open",
        lambda family, kind, *more: _WithoutIpv6(family, kind) if family == AF_INET6 else begin(family, kind, *more),
    )


@pytest.mark.usefixtures("without_ipv6")
@pytest.mark.parametrize("is_first", [True, False])
def test_a_machine_without_ipv6_tells_of_the_refusal_of_the_other_address(
    check: Check, names: Names, is_first: bool
) -> None:
    dead, away = address_of("127.0.0.1", unused_port("127.0.0.1")), address_of("2001:db8::1", 21)
    names[b"host.example"] = lambda: (away, dead) if is_first else (dead, away)
    failure = check(TalkProbe(lambda: open_to("host.example", 1))).failure
    assert isinstance(failure, NotConnected)
    assert (failure.code, failure.address) == (errno.ECONNREFUSED, dead)
    names[b"host.example"] = lambda: (away,)
    failure = check(TalkProbe(lambda: open_to("host.example", 1))).failure
    assert isinstance(failure, NotConnected)
    assert (failure.code, failure.address) == (errno.EADDRNOTAVAIL, away)


@pytest.mark.usefixtures("without_ipv6")
def test_a_machine_without_a_free_port_is_unknown(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_WithoutIpv6, "ports", False)
    failure = check(TalkProbe(lambda: open_to("2001:db8::1", 21))).failure
    assert isinstance(failure, LocalError)
    assert failure.message == "cannot connect to [2001:db8::1]:21: Cannot assign requested address"


def test_unix_sockets_are_streams_too(check: Check, tmp_path: Path) -> None:
    with Peer(b"220 unix", host=str(tmp_path / "u.sock")) as peer:

        def dialogue() -> Dialogue[object]:
            stream = yield from open_to(peer.host, 21)
            return stream.channel.address, (yield from stream.receive())

        assert found(check(TalkProbe(dialogue))) == (Address(AF_UNIX, peer.host), b"220 unix")


def test_a_missing_unix_socket_is_not_connected(check: Check, tmp_path: Path) -> None:
    def dialogue() -> Dialogue[object]:
        return (yield from open_to(str(tmp_path / "none"), 21))

    failure = check(TalkProbe(dialogue)).failure
    assert isinstance(failure, NotConnected)
    assert failure.code == errno.ENOENT


def test_a_connection_comes_from_the_source_address(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()
    source = "::1" if ":" in host else "127.0.0.2"
    seen: list[str] = []

    def dialogue() -> Dialogue[None]:
        stream = yield from open_stream(host, peer.port, AF_UNSPEC, source)
        yield from stream.send(b"x")
        while not (peer.clients and peer.clients[0].received):
            yield Sleep(0.002)
        seen.append(peer.clients[0].socket.getpeername()[0])

    found(check(TalkProbe(dialogue)))
    assert seen == [source]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("192.0.2.77", "cannot use source address 192.0.2.77: Cannot assign requested address"),
        ("2001:db8::77", "cannot use source address 2001:db8::77: Cannot assign requested address"),
        ("localhost", "Source address must be an IPv4 or IPv6 address: localhost"),
    ],
)
def test_a_source_address_that_is_not_ours_is_unknown(check: Check, source: str, text: str) -> None:
    target = "::1" if ":" in source else "127.0.0.1"

    def dialogue() -> Dialogue[Stream]:
        return (yield from open_stream(target, 1, AF_UNSPEC, source))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, LocalError)
    assert str(result).startswith(f"TALK UNKNOWN - {text}|time=")


def test_a_unix_socket_has_no_source_address(check: Check) -> None:
    def dialogue() -> Dialogue[Stream]:
        return (yield from open_stream("/x", 1, AF_UNSPEC, "127.0.0.1"))

    assert isinstance(check(TalkProbe(dialogue)).failure, LocalError)


def test_a_socket_that_this_machine_cannot_open_is_unknown(
    check: Check, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> object:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def dialogue() -> Dialogue[Stream]:
        monkeypatch.setattr("_socket.socket", fail)
        return (yield from open_to(host, 1))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, LocalError)
    assert result.text == "TALK UNKNOWN - cannot open a socket: Too many open files"


def test_close_closes_before_the_dialogue_ends(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"x")

    def dialogue() -> Dialogue[int]:
        stream = yield from open_to(host, peer.port)
        yield from stream.receive()
        yield Close(stream.channel)
        yield Close(stream.channel)
        while peer.connected:
            yield Sleep(0.002)
        again = yield from open_to(host, peer.port)
        yield from again.receive()
        return len(peer.clients)

    assert found(check(TalkProbe(dialogue))) == 2

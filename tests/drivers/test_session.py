"""Tests of noidchecks.drivers.session, under both drivers and on both address families."""

from __future__ import annotations

import _socket
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import noidchecks.address
from noidchecks import DeadlineExceeded, LocalError, NotConnected, NotResolved, ProbeError, Result, State
from noidchecks.address import AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, DATAGRAM, STREAM, Address
from noidchecks.dialogue import (
    Close,
    Connect,
    Datagram,
    Dialogue,
    OpenDatagram,
    Phase,
    Receive,
    ReceiveFrom,
    Resolve,
    Send,
    SendTo,
    Sleep,
    Stream,
    open_stream,
)
from tests.conftest import Check, NewPeer
from tests.drivers.talk import TalkProbe, open_to
from tests.fakes.peers import Peer, Step, close, drip, endless, reset, silent, take, unused_port
from tests.patience import DEADLINES, LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


def found(result: Result) -> Any:
    assert result.state == State.OK, result
    return result.facts["found"]


def address_of(host: str, port: int) -> Address:
    return Address(AF_INET6, (host, port, 0, 0)) if ":" in host else Address(AF_INET, (host, port))


# The dialogue, its phases and its time


def test_what_the_dialogue_returns_is_judged(check: Check) -> None:
    def dialogue() -> Dialogue[str]:
        return "seen"
        yield Phase("never")

    assert found(check(TalkProbe(dialogue))) == "seen"


def test_phases_are_timed_by_name_in_the_order_of_entry(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        for name, seconds in (("one", 0.02), ("two", 0.01), ("one", 0.02)):
            yield Phase(name)
            yield Sleep(seconds)

    timings = check(TalkProbe(dialogue)).timings
    assert list(timings.phases) == ["one", "two"]
    assert timings.phases["one"] >= 0.04
    assert timings.phases["two"] >= 0.01
    assert timings.total >= sum(timings.phases.values()) > 0.05


def test_time_before_the_first_phase_is_of_none(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        yield Sleep(0.02)
        yield Phase("late")

    timings = check(TalkProbe(dialogue)).timings
    assert timings.total >= 0.02
    assert timings.phases["late"] < timings.total


def test_sleep_lets_the_seconds_pass(check: Check) -> None:
    def dialogue() -> Dialogue[object]:
        yield Sleep(0)
        return (yield Sleep(0.05))

    result = check(TalkProbe(dialogue))
    assert found(result) is None
    assert result.timings.total >= 0.05


def test_without_a_timeout_there_is_no_deadline(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(0.05, b"late")

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        return (yield from stream.receive())

    assert found(check(TalkProbe(dialogue, timeout=0))) == b"late"


def test_a_timeout_of_many_years_is_a_timeout(check: Check, new_peer: NewPeer, host: str) -> None:
    """poll(2) takes at most 2**31 milliseconds."""
    peer = new_peer(0.01, b"late")

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        return (yield from stream.receive())

    assert found(check(TalkProbe(dialogue, timeout=1e9))) == b"late"


# The deadline


def test_the_deadline_is_critical_and_names_the_phase(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(silent)

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        yield Phase("greeting")
        return (yield from stream.receive())

    for timeout in DEADLINES:
        result = check(TalkProbe(dialogue, timeout=timeout))
        if result.timings.phases.get("greeting"):
            break
    assert result.state == State.CRITICAL
    assert result.text == f"TALK CRITICAL - Socket timeout after {timeout:g} seconds"
    assert isinstance(result.failure, DeadlineExceeded)
    assert result.failure.phase == "greeting"
    assert result.failure.seconds == timeout
    assert result.timings.total >= timeout


@pytest.mark.parametrize("operation", ["sleep", "patience", "send", "endless", "connect"])
def test_the_deadline_ends_whatever_is_waited_for(check: Check, new_peer: NewPeer, host: str, operation: str) -> None:
    def dialogue() -> Dialogue[object]:
        if operation == "sleep":
            yield Sleep(20)
        if operation == "connect":
            yield from open_to(host, crowded)
        stream = yield from open_to(host, peer.port)
        if operation == "patience":
            yield from stream.receive(patience=20)
        while True:
            if operation == "send":
                yield from stream.send(b"x" * 100_000)
            yield from stream.receive()

    peer = new_peer(endless(b"y" * 10_000) if operation == "endless" else silent)
    # With its queue full, and nobody to accept, the kernel ignores whoever connects.
    with socket.socket(AF_INET6 if ":" in host else AF_INET) as listener:
        listener.bind((host, 0))
        listener.listen(0)
        crowded = listener.getsockname()[1]
        with socket.create_connection((host, crowded)):
            result = check(TalkProbe(dialogue, timeout=0.05))
    assert isinstance(result.failure, DeadlineExceeded)
    assert 0.05 <= result.timings.total < 15


def test_the_deadline_is_thrown_into_the_dialogue(check: Check) -> None:
    def dialogue() -> Dialogue[str]:
        try:
            yield Sleep(20)
        except DeadlineExceeded:
            return "tidied up"
        return "never"

    assert found(check(TalkProbe(dialogue, timeout=0.05))) == "tidied up"


def test_after_the_deadline_every_operation_is_refused(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[int]:
        stream = yield from open_to(host, peer.port)
        refused = 0
        operations = (Sleep(20), Phase("x"), Send(stream.channel, b"QUIT"), Receive(stream.channel), Sleep(0))
        for operation in (*operations, Close(stream.channel)):
            try:
                yield operation
            except DeadlineExceeded:
                refused += 1
        return refused

    for timeout in DEADLINES:
        result = check(TalkProbe(dialogue, timeout=timeout))
        if result.ok:
            break
    assert found(result) == 6
    peer.settle()
    assert set(peer.received) == {b""}


def test_a_dialogue_that_goes_on_after_its_deadline_is_defective(check: Check) -> None:
    refused = 0

    def dialogue() -> Dialogue[None]:
        nonlocal refused
        while True:
            try:
                yield Sleep(20)
            except ProbeError:
                refused += 1

    with pytest.raises(RuntimeError, match="goes on after its deadline"):
        check(TalkProbe(dialogue, timeout=0.02))
    assert refused == 16


def test_a_dialogue_whose_farewells_never_end_is_defective(check: Check, host: str) -> None:
    with socket.socket(AF_INET6 if ":" in host else AF_INET, DATAGRAM) as peer:
        peer.bind((host, 0))
        address = address_of(host, peer.getsockname()[1])

        def dialogue() -> Dialogue[None]:
            channel = yield OpenDatagram(address.family)
            try:
                yield ReceiveFrom(channel)
            except DeadlineExceeded:
                pass
            for _ in range(1000):
                yield SendTo(channel, b"bye", address)

        with pytest.raises(RuntimeError, match="goes on after its deadline"):
            check(TalkProbe(dialogue, timeout=0.05))


# Looking names up


@pytest.mark.parametrize(
    ("name", "family", "expected"),
    [
        ("127.0.0.1", AF_UNSPEC, Address(AF_INET, ("127.0.0.1", 21))),
        ("127.1", AF_INET, Address(AF_INET, ("127.0.0.1", 21))),
        ("2130706433", AF_UNSPEC, Address(AF_INET, ("127.0.0.1", 21))),
        ("::1", AF_UNSPEC, Address(AF_INET6, ("::1", 21, 0, 0))),
        ("0:0::1", AF_INET6, Address(AF_INET6, ("::1", 21, 0, 0))),
        ("/run/x.sock", AF_UNSPEC, Address(AF_UNIX, "/run/x.sock")),
    ],
)
def test_literals_are_resolved_at_once(check: Check, name: str, family: int, expected: Address) -> None:
    def dialogue() -> Dialogue[object]:
        return (yield Resolve(name, 21, family, STREAM))

    assert found(check(TalkProbe(dialogue))) == (expected,)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        *[("", AF_UNSPEC), ("[::1]", AF_UNSPEC), ("a b", AF_UNSPEC), ("::1", AF_INET), ("127.0.0.1", AF_INET6)],
        *[("a\0b", AF_UNSPEC), ("\udcff", AF_UNSPEC), ("é" * 70, AF_UNSPEC), ("fe80::1%nosuch", AF_UNSPEC)],
    ],
)
def test_what_is_no_name_is_not_resolved(check: Check, name: str, family: int) -> None:
    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        return (yield Resolve(name, 21, family, STREAM))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, NotResolved)
    assert (result.state, result.failure.phase) == (State.CRITICAL, "resolve")
    assert result.text.isprintable()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[bytes, Callable[[], tuple[Address, ...]]]]:
    """What names resolve to, in place of the machine's resolver; literals resolve as ever."""
    known: dict[bytes, Callable[[], tuple[Address, ...]]] = {}
    real = noidchecks.address._look_up

    def look_up(name: bytes, port: int, ask: int, kind: int, want: int, flags: int) -> tuple[Address, ...]:
        if flags & socket.AI_NUMERICHOST:
            return real(name, port, ask, kind, want, flags)
        return known[name]()

    monkeypatch.setattr(noidchecks.address, "_look_up", look_up)
    return known  # type: ignore[return-value]  # a plain value is a fixture too


def test_names_are_looked_up_in_the_background(
    check: Check, names: dict[bytes, Callable[[], tuple[Address, ...]]]
) -> None:
    def slowly() -> tuple[Address, ...]:
        time.sleep(0.02)
        return (address_of("127.0.0.1", 1), address_of("::1", 2))

    names[b"host.example"] = slowly

    def dialogue() -> Dialogue[object]:
        return (yield Resolve("host.example", 21, AF_UNSPEC, STREAM))

    assert found(check(TalkProbe(dialogue))) == (address_of("127.0.0.1", 1), address_of("::1", 2))


def test_names_of_other_scripts_are_looked_up_in_idna(
    check: Check, names: dict[bytes, Callable[[], tuple[Address, ...]]]
) -> None:
    names["bücher.example".encode("idna")] = lambda: (address_of("127.0.0.1", 1),)

    def dialogue() -> Dialogue[object]:
        return (yield Resolve("bücher.example", 21, AF_UNSPEC, STREAM))

    assert found(check(TalkProbe(dialogue))) == (address_of("127.0.0.1", 1),)


def test_an_unknown_name_is_not_resolved(check: Check, names: dict[bytes, Callable[[], tuple[Address, ...]]]) -> None:
    def unknown() -> tuple[Address, ...]:
        raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")

    names[b"nosuch.example"] = unknown

    def dialogue() -> Dialogue[object]:
        return (yield Resolve("nosuch.example", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, NotResolved)
    assert result.text == "TALK CRITICAL - Name or service not known"


def test_a_resolver_that_never_answers_ends_at_the_deadline(
    check: Check, names: dict[bytes, Callable[[], tuple[Address, ...]]]
) -> None:
    answer = threading.Event()
    answered = threading.Event()

    def never() -> tuple[Address, ...]:
        answer.wait(LONG)
        answered.set()
        return (address_of("127.0.0.1", 1),)

    names[b"host.example"] = never

    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        return (yield Resolve("host.example", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue, timeout=0.5))
    assert isinstance(result.failure, DeadlineExceeded)
    assert result.failure.phase == "resolve"
    assert not answered.is_set()
    assert result.timings.total >= 0.5
    # The thread comes back to a look-up that nobody waits for.
    answer.set()
    assert answered.wait(LONG)


def test_a_defect_in_the_background_is_a_defect(
    check: Check, names: dict[bytes, Callable[[], tuple[Address, ...]]]
) -> None:
    def dialogue() -> Dialogue[object]:
        return (yield Resolve("unheard.example", 21, AF_UNSPEC, STREAM))

    with pytest.raises(KeyError, match="unheard"):
        check(TalkProbe(dialogue))


@pytest.mark.parametrize("missing", ["descriptor", "thread"])
def test_a_look_up_that_this_machine_cannot_begin_is_a_local_error(
    check: Check, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise (
            OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            if missing == "descriptor"
            else RuntimeError("can't start new thread")
        )

    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        # The loop of asyncio has been set up by now.
        if missing == "descriptor":
            monkeypatch.setattr("os.eventfd", fail)
        else:
            monkeypatch.setattr("_thread.start_new_thread", fail)
        return (yield Resolve("host.example", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, LocalError)
    assert (result.state, result.failure.phase) == (State.UNKNOWN, "resolve")
    assert "host.example" in result.text


# Streams


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


def test_the_next_address_is_tried_when_one_refuses(
    check: Check, new_peer: NewPeer, host: str, names: dict[bytes, Callable[[], tuple[Address, ...]]]
) -> None:
    peer = new_peer(b"here")
    addresses = (address_of(host, unused_port(host)), address_of(host, peer.port))
    names[b"host.example"] = lambda: addresses

    def dialogue() -> Dialogue[object]:
        stream = yield from open_to("host.example", 1)
        return stream.channel.address, (yield from stream.receive())

    assert found(check(TalkProbe(dialogue))) == (addresses[1], b"here")
    names[b"host.example"] = lambda: (addresses[0], addresses[0])
    assert isinstance(check(TalkProbe(dialogue)).failure, NotConnected)


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


# Datagrams


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


# Defects, and what is left behind


def test_an_exception_of_the_dialogue_reaches_the_caller(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        yield from open_to(host, peer.port)
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        check(TalkProbe(dialogue))
    peer.settle()


def test_what_is_no_operation_is_a_defect(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        yield from open_to(host, peer.port)
        yield "nonsense"  # type: ignore[misc]  # on purpose

    with pytest.raises(KeyError, match="str"):
        check(TalkProbe(dialogue))
    peer.settle()


def test_a_defect_is_not_hidden_by_a_dialogue_that_tidies_up(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        try:
            yield Connect("nowhere")  # type: ignore[arg-type]  # on purpose
        finally:
            yield Send(stream.channel, b"QUIT")
            yield Close(stream.channel)

    with pytest.raises(AttributeError):
        check(TalkProbe(dialogue))
    peer.settle()


@pytest.mark.parametrize("outcome", ["success", "refused", "reset", "timeout", "interrupt"])
def test_nothing_is_left_behind(
    check: Check,
    new_peer: NewPeer,
    host: str,
    outcome: str,
    nothing_left: Callable[[], None],
    names: dict[bytes, Callable[[], tuple[Address, ...]]],
) -> None:
    steps: dict[str, Step] = {"success": b"x", "reset": reset}
    peer = new_peer(take(1), steps.get(outcome, b""))
    port = unused_port(host) if outcome == "refused" else peer.port
    names[b"host.example"] = lambda: (address_of(host, port),)
    nothing_left_now = _with_what_is_there()

    def dialogue() -> Dialogue[bytes | None]:
        yield OpenDatagram(AF_INET)
        stream = yield from open_to("host.example", 1)
        if outcome == "interrupt":
            raise KeyboardInterrupt
        yield from stream.send(b"x")
        return (yield from stream.receive())

    probe = TalkProbe(dialogue, timeout=0.1 if outcome == "timeout" else 10)
    if outcome == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            check(probe)
    else:
        assert check(probe).ok is (outcome == "success")
    peer.settle()
    nothing_left_now()


def _with_what_is_there() -> Callable[[], None]:
    """Returns the question whether there are more descriptors than now."""
    before = set(os.listdir("/proc/self/fd"))

    def ask() -> None:
        limit = time.monotonic() + LONG
        # What has been interrupted may not have been accepted by the peer yet.
        while not set(os.listdir("/proc/self/fd")) <= before:
            assert time.monotonic() < limit
            time.sleep(0.002)

    return ask

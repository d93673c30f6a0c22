"""SFTP packets and sessions, fed with what a server may say, without one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from noidchecks.dialogue.operations import Decrypted, Receive, Send
from noidchecks.errors import PeerError, ProbeError
from noidchecks.ssh import filexfer, frames
from noidchecks.ssh.delegation import Delegation
from noidchecks.ssh.filexfer import number, packet, string
from noidchecks.ssh.sftp_session import SftpSession

WORKER: Any = SimpleNamespace(is_internal=True)
NAME = b"gr\xfc\xdfe.txt"
Answer = Callable[[int, int], list[bytes]]


def names(request: int, *found: bytes, attributes: bytes = bytes(4)) -> bytes:
    entries = b"".join(string(name) + string(name) + attributes for name in found)
    return packet(filexfer.NAME, number(request), number(len(found)), entries)


def status(request: int, code: int, *fields: bytes) -> bytes:
    return packet(filexfer.STATUS, number(request), number(code), *fields)


def run(dialogue: Any, answer: Answer, *ending: str) -> Any:
    """Runs the dialogue; each request is answered with packets, nothing to receive is the end in the words given."""
    waiting: list[bytes] = []
    asked: list[tuple[int, int]] = []
    try:
        operation = next(dialogue)
        while True:
            given_back: Any = None
            if isinstance(operation, Send):
                sent = operation.data[5:]
                asked.append((sent[4], int.from_bytes(sent[5:9])))
                waiting += answer(*asked[-1])
            elif isinstance(operation, Receive):
                given_back = frames.pack_values(frames.END, *(ending or ("",)))
                if waiting:
                    given_back = frames.pack(frames.DATA, waiting.pop(0))
            else:
                assert isinstance(operation, Decrypted)
            operation = dialogue.send(given_back)
    except StopIteration as stop:
        return stop.value


def session() -> SftpSession:
    return SftpSession(Delegation(WORKER))


def test_bytes_that_are_no_utf_8_are_names() -> None:
    def answer(_: int, request: int) -> list[bytes]:
        return [names(1, b"plain.txt", NAME, b".", b"..") if request == 1 else status(request, 1)]

    assert run(session().names(b"h", 100), answer) == 2


def test_an_answer_without_names_ends_a_directory() -> None:
    def synology(_: int, request: int) -> list[bytes]:
        return [names(request, *[b"a", b"b"][: 2 if request == 1 else 0])]

    assert run(session().names(b"h", 100), synology) == 2


def test_answers_in_any_order_count() -> None:
    held: list[bytes] = []

    def backwards(_: int, request: int) -> list[bytes]:
        held.insert(0, names(request, b"x%d" % request) if request == 1 else status(request, 1))
        if len(held) < 2:
            return []
        said, held[:] = list(held), []
        return said

    assert run(session().names(b"h", 100), backwards) == 1


def test_a_refusal_behind_the_end_is_none_and_one_before_it_is() -> None:
    def first(code: int, then: int) -> Answer:
        return lambda _, request: [status(request, code if request == 1 else then)]

    assert run(session().names(b"h", 9), first(1, 4)) == 0
    with pytest.raises(PeerError, match="Failure"):
        run(session().names(b"h", 9), first(4, 1))


@pytest.mark.parametrize("fields", [(), (string(b""),), (string(b"Nichts da: " + NAME), string(b"de"))])
def test_a_status_with_and_without_words(fields: tuple[bytes, ...]) -> None:
    with pytest.raises(PeerError) as raised:
        run(session().open(NAME, filexfer.TO_READ), lambda _, request: [status(request, 2, *fields)])
    assert raised.value.message == ("Nichts da: gr\\xfc\\xdfe.txt" if len(fields) == 2 else "No such file")


@pytest.mark.parametrize(
    "said",
    [
        names(1, b"a", attributes=struct.pack(">II", 0x80000000, 0xFFFFFFFF)),
        packet(filexfer.NAME, number(1), number(0xFFFFFFFF)),
        b"\xff\xff\xff\xff",
        names(77, b"a"),
        packet(filexfer.NAME),
        packet(99, number(1)),
    ],
)
def test_lies_about_numbers_and_lengths_end_at_once(said: bytes) -> None:
    with pytest.raises(PeerError):
        run(session().names(b"h", 100), lambda _, request: [said] if request == 1 else [])


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([b"Welcome to this host!\r\n", packet(filexfer.VERSION, number(3))], "Welcome to this host!"),
        ([b"Wel", b"come\r\n"], "Welcome"),
        ([b"no"], "no"),
        ([], "the connection ends"),
        ([packet(filexfer.STATUS, number(3))], "SFTP packet of type 101 in place of a version"),
        ([b"\xff\xff\xff\xff"], "\\xff\\xff\\xff\\xff"),
    ],
)
def test_no_session_and_what_is_said_instead(said: list[bytes], text: str) -> None:
    with pytest.raises(PeerError) as raised:
        run(session().begin(), lambda *_: said)
    assert raised.value.message == f"the server gives no SFTP session: {text}"


def test_what_ends_a_session_ends_it_for_good() -> None:
    one = session()
    for _ in range(2):
        with pytest.raises(ProbeError, match="the server ends the connection: enough"):
            run(one.remove(b"x"), lambda *_: [], "enough")


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_end_in_an_answer_or_a_peer_error(said: list[bytes]) -> None:
    for talk in (session().names(b"h", 9), session().modified(b"x"), session().begin()):
        try:
            run(talk, lambda _, request: said if request in (1, 3) else [])
        except PeerError:
            pass


PAIRS = struct.pack(">II", 1 << 31, 30_000) + bytes(8 * 30_000)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda request: names(request, *[b""] * 20_000), id="names"),
        pytest.param(lambda request: names(request, b"a", attributes=PAIRS), id="pairs"),
    ],
)
def test_a_packet_that_takes_long_to_read_is_refused(answer: Callable[[int], bytes]) -> None:
    """Twenty such packets are a second in which no other check of the process goes on."""
    with pytest.raises(PeerError, match="more than 8192 strings"):
        run(session().names(b"h", 1_000_000), lambda kind, request: [answer(request)])


def test_as_many_names_as_servers_send_at_once() -> None:
    many = [b"file-%d" % place for place in range(4000)]
    ends = {1: many, 2: many[:3]}
    answer = lambda _, request: [names(request, *ends[request]) if request in ends else status(request, filexfer.EOF)]  # noqa: E731  # short
    assert run(session().names(b"h", 1_000_000), answer) == 4003

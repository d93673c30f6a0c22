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
from noidchecks.ssh.sftp_session import CHUNK, SftpSession

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


class ReadServer:
    """Serves a file to READ, at most so many bytes an answer; asked are offsets and sizes, longest what waited at most.

    With backwards the last request is answered first; behind is the status of a request behind the end.
    """

    def __init__(self, content: bytes, most: int = CHUNK, *, backwards: bool = False, behind: int = filexfer.EOF):
        self.content, self.most, self.backwards, self.behind = content, most, backwards, behind
        self.asked: list[tuple[int, int]] = []
        self.waiting: list[bytes] = []
        self.longest = 0

    def read(self) -> bytes:
        taken: list[bytes] = []
        dialogue: Any = session().contents(b"h", taken.append)
        operation = next(dialogue)
        try:
            while True:
                if isinstance(operation, Send):
                    self.take(operation.data[5:])
                    self.longest = max(self.longest, len(self.waiting))
                reply = None
                if isinstance(operation, Receive):
                    reply = frames.pack(frames.DATA, self.waiting.pop(-1 if self.backwards else 0))
                operation = dialogue.send(reply)
        except StopIteration:
            return b"".join(taken)

    def take(self, sent: bytes) -> None:
        request, offset, size = int.from_bytes(sent[5:9]), int.from_bytes(sent[14:22]), int.from_bytes(sent[22:26])
        self.asked.append((offset, size))
        part = self.content[offset : offset + min(size, self.most)]
        reached = offset <= len(self.content)
        answer = packet(filexfer.DATA, number(request), string(part))
        self.waiting.append(answer if part else status(request, filexfer.EOF if reached else self.behind))


LONG = bytes(range(256)) * 8192


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("most", [CHUNK, CHUNK // 2 + 1])
def test_a_file_is_read_with_many_requests_under_way(most: int, backwards: bool) -> None:
    server = ReadServer(LONG, most, backwards=backwards)
    assert server.read() == LONG
    assert server.longest == 32
    assert max(size for _, size in server.asked[10:]) == most
    assert not server.waiting


@pytest.mark.parametrize("content", [b"", b"x", bytes(CHUNK - 1), bytes(CHUNK), bytes(3 * CHUNK + 1)])
def test_the_end_of_a_file(content: bytes) -> None:
    """What is asked for behind it may be refused in any way."""
    for behind in (filexfer.EOF, 4):
        assert ReadServer(content, behind=behind).read() == content


def test_answers_of_a_few_bytes_are_joined() -> None:
    assert ReadServer(LONG[:1000], 7).read() == LONG[:1000]


def test_what_take_raises_ends_the_reading() -> None:
    def full(_: bytes) -> None:
        raise PeerError("too much", expected="", received=b"")

    with pytest.raises(PeerError, match="too much"):
        run(session().contents(b"h", full), lambda _, request: [packet(filexfer.DATA, number(request), string(b"x"))])


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (packet(filexfer.DATA, number(1), string(bytes(CHUNK + 1))), f"{CHUNK + 1} bytes, {CHUNK} were asked for"),
        (packet(filexfer.DATA, number(9), string(b"x")), "an answer to a request that was never made, 9"),
        (packet(filexfer.DATA, number(1), number(9)), "SFTP packet ends too early"),
        (packet(filexfer.HANDLE, number(1), string(b"x")), "SFTP packet of type 102 in place of an answer"),
        (status(1, 4), "Failure"),
    ],
)
def test_wrong_answers_to_a_read(said: bytes, text: str) -> None:
    with pytest.raises(PeerError) as raised:
        run(session().contents(b"h", bytearray().extend), lambda _, request: [said] if request == 1 else [])
    assert raised.value.message == text

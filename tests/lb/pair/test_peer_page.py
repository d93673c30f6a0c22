from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from noidlb.pair import peer_page
from noidlb.pair.peer import PeerError
from noidlb.pair.peer_page import fetch

LONG = 60.0
"""More than any of these tests should take, however busy the machine is."""


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serves one client on loopback, and yields the port."""

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            serving.join()


def saying(data: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(data)

    return answer


def endless(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 4096)


def silent(connection: socket.socket) -> None:
    # To the end of the request, and of the patience of who has sent it.
    while connection.recv(1000):
        pass


def test_fetches_a_page() -> None:
    with answering(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")) as port:
        assert fetch("127.0.0.1", port, LONG) == "hello"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not HTTP"),
        (b"\0\xff" * 500, "not HTTP"),
        (b"SSH-2.0-x\r\n", "not HTTP"),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "answers 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "cut off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6", "cut off"),
    ],
)
def test_garbage(data: bytes, said: str) -> None:
    with answering(saying(data)) as port, pytest.raises(PeerError, match=f"^127.0.0.1 port {port}: .*{said}"):
        fetch("127.0.0.1", port, LONG)


def test_one_who_is_silent_is_left() -> None:
    with answering(silent) as port, pytest.raises(PeerError, match=r"no answer within 0\.2 s"):
        fetch("127.0.0.1", port, 0.2)


def test_one_who_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_page, "MAX_SIZE", 1024 * 1024)
    with answering(endless) as port, pytest.raises(PeerError, match="longer than 1 MiB"):
        fetch("127.0.0.1", port, LONG)
    monkeypatch.setattr(peer_page, "MAX_SIZE", 1 << 40)
    with answering(endless) as port, pytest.raises(PeerError, match=r"no answer within 0\.2 s"):
        fetch("127.0.0.1", port, 0.2)


def test_one_who_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(PeerError, match="Connection refused"):
        fetch("127.0.0.1", port, LONG)

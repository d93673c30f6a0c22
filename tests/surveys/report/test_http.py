"""Whatever a server answers, it is an answer or an OSError, and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks.surveys.report.http import Connection, HttpError
from noidchecks.surveys.report.icinga2 import _verdict


class Ended(Connection):
    """One on which nothing more arrives."""

    def _receive(self) -> bytes:
        return b""


def reading(data: bytes) -> Connection:
    """Returns a connection on which this has arrived."""
    connection = Ended.__new__(Ended)
    connection._received = data
    connection.is_open = True
    return connection


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@given(st.binary(max_size=200), st.integers(0, len(ANSWER)))
def test_any_bytes_are_an_answer_or_an_error(data: bytes, cut: int) -> None:
    for text in (data, ANSWER[:cut] + data, b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n" + data):
        try:
            code, body = reading(text)._answer()
        except OSError:
            continue
        assert 0 <= code <= 999
        assert len(body) <= len(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the connection was closed"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "the answer has no proper length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "the answer is too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234", "the connection was closed"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101, "the answer has too many headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 10_000, "the answer has too long a line"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "the answer has no proper length"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"80000\r\n" + bytes(0x80000) + b"\r\n") * 3,
            "the answer is too long",
        ),
    ],
)
def test_answers_that_are_none(text: bytes, words: str) -> None:
    with pytest.raises(HttpError) as failure:
        reading(text)._answer()
    assert failure.value.strerror == words


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b'{"results": 5}',
        b'{"results": [5]}',
        b'{"results": [{"code": Infinity, "status": 1}]}',
        b'{"results": [{"code": "x"}]}',
        b'{"status": ["|\\n"]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
@pytest.mark.parametrize("code", [404, 500, 401, 301])
def test_a_body_that_is_nonsense_leaves_the_status(code: int, body: bytes) -> None:
    trouble, reason = _verdict(code, body)
    assert reason == ""
    assert str(code) in trouble
    assert trouble.isprintable()

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from noidlb.errors import GuardError
from noidlb.service import http as scrape
from noidlb.service.http import Document, MetricsServer

from tests.support.waiting import until_async

TYPE = {"Content-Type": "text/plain", "X-Of-The-Document": "1"}


async def page(query: str) -> Document:
    return Document(TYPE, [b"a ", b"page\n"])


async def echo(query: str) -> Document:
    return Document(TYPE, [query.encode()])


async def broken(query: str) -> Document:
    raise ValueError("a defect")


async def beginning(query: str) -> Document:
    raise GuardError("the guardian is only\n beginning")


async def given_up(query: str) -> Document:
    raise asyncio.CancelledError


def ignore(doing: str, defect: Exception) -> None:
    pass


ROUTES = {"/metrics": page, "/": echo, "/broken": broken, "/beginning": beginning, "/given-up": given_up}


async def exchange(server: MetricsServer, sent: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    writer.write_eof()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, body


async def fetch(server: MetricsServer, sent: bytes) -> tuple[int, bytes]:
    head, body = await exchange(server, sent)
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n\r\n", 200),
        (b"GET /?q=%ff&\xff HTTP/1.1\r\n\r\n", 200),
        (b"GET /metrics/../x HTTP/1.1\r\n\r\n", 404),
        (b"GET //metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /favicon.ico HTTP/1.1\r\n\r\n", 404),
        (b"GET /broken HTTP/1.1\r\n\r\n", 500),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"PUT /nowhere HTTP/1.1\r\n\r\n", 405),
        (b"get / HTTP/1.1\r\n\r\n", 405),
        (b"hello\r\n\r\n", 400),
        (b"GET /metrics", 400),
        (b"", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ],
)
async def test_requests(sent: bytes, code: int) -> None:
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    assert (await fetch(server, sent))[0] == code
    assert await fetch(server, b"GET /metrics HTTP/1.1\r\n\r\n") == (200, b"a page\n")
    await server.close()


async def test_what_cannot_be_had_now_is_a_sentence_and_a_defect_is_reported() -> None:
    reported = []
    server = MetricsServer(ROUTES, lambda doing, defect: reported.append((doing, str(defect))))
    await server.open("127.0.0.1", 0)
    found = await fetch(server, b"GET /beginning HTTP/1.1\r\n\r\n")
    assert found == (503, b"the guardian is only  beginning\n")
    assert not reported
    assert await fetch(server, b"GET /broken?x=1 HTTP/1.1\r\n\r\n") == (500, b"Internal Server Error\n")
    assert reported == [("GET /broken", "a defect")]
    await server.close()


@pytest.mark.parametrize("path", [b"/metrics", b"/?x=1", b"/nowhere", b"/broken"])
async def test_head_is_get_without_the_body(path: bytes) -> None:
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    got, body = await exchange(server, b"GET %b HTTP/1.1\r\n\r\n" % path)
    assert body
    assert await exchange(server, b"HEAD %b HTTP/1.1\r\n\r\n" % path) == (got, b"")
    await server.close()


async def test_what_the_head_of_an_answer_says() -> None:
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    found, _ = await exchange(server, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert b"X-Of-The-Document: 1\r\n" in found
    refused, _ = await exchange(server, b"POST / HTTP/1.1\r\n\r\n")
    assert b"Allow: GET, HEAD\r\n" in refused
    assert (await fetch(server, b"GET /?a=b%20c HTTP/1.1\r\n\r\n"))[1] == b"a=b%20c"
    await server.close()


async def test_one_who_sends_without_end_or_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_PATIENCE", 0.1)
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()
    await server.close()


async def large(query: str) -> Document:
    return Document(TYPE, [b"x" * 100_000] * 50)


GET = b"GET /metrics HTTP/1.1\r\n\r\n"


async def test_silent_clients_make_room_for_those_that_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_CLIENTS", 16)
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(60)]
    for _, writer in silent[::2]:
        # Half a request is no request.
        writer.write(b"GET / HTTP/1.1\r\nHost:")
    async with asyncio.timeout(20):
        assert await fetch(server, GET) == (200, b"a page\n")
    assert len(server._clients) <= 2 * scrape._CLIENTS
    for _, writer in silent:
        writer.close()
    await server.close()


async def test_one_who_does_not_read_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_PATIENCE", 0.3)
    server = MetricsServer({"/metrics": large}, ignore)
    await server.open("127.0.0.1", 0)
    _lazy, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(GET)
    async with asyncio.timeout(60):
        assert (await fetch(server, GET))[0] == 200
        await until_async(lambda: not server._clients)
    writer.transport.abort()
    await server.close()


async def test_those_who_do_not_read_make_room_for_those_who_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_PATIENCE", 1000.0)
    monkeypatch.setattr(scrape, "_CLIENTS", 16)
    server = MetricsServer({"/metrics": large}, ignore)
    await server.open("127.0.0.1", 0)
    lazy = [socket.socket() for _ in range(60)]
    for client in lazy:
        # Less than the answer fits into the kernel.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", server.port))
        await asyncio.get_running_loop().sock_sendall(client, GET)
    async with asyncio.timeout(60):
        assert (await fetch(server, GET))[0] == 200
    for client in lazy:
        client.close()
    await server.close()


async def test_many_who_come_at_once_turn_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_CLIENTS", 16)
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    # All of them are accepted in one turn of the loop, before any of their tasks runs.
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(90)]
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(GET)
        client.setblocking(False)
        answer = await asyncio.get_running_loop().sock_recv(client, 100)
    assert answer.startswith(b"HTTP/1.1 200 OK"), answer
    for one in silent:
        one.close()
    await server.close()


async def test_a_page_that_is_given_up_at_the_end_leaves_no_traceback() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    server = MetricsServer(ROUTES, ignore)
    await server.open("127.0.0.1", 0)
    # A reset or an end, and no answer.
    with suppress(ConnectionResetError):
        assert await exchange(server, b"GET /given-up HTTP/1.1\r\n\r\n") == (b"", b"")
    await asyncio.sleep(0)
    await server.close()
    assert errors == []

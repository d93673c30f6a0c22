from __future__ import annotations

import asyncio

import pytest
from noidlb.service import http as scrape
from noidlb.service.http import MetricsServer


async def page() -> list[bytes]:
    return [b"a ", b"page\n"]


async def broken() -> list[bytes]:
    raise ValueError("a defect")


async def fetch(server: MetricsServer, sent: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    writer.write_eof()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/../x HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"hello\r\n\r\n", 400),
        (b"GET /metrics", 400),
        (b"", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ],
)
async def test_requests(sent: bytes, code: int) -> None:
    server = MetricsServer(page)
    await server.open("127.0.0.1", 0)
    assert (await fetch(server, sent))[0] == code
    assert await fetch(server, b"GET /metrics HTTP/1.1\r\n\r\n") == (200, b"a page\n")
    await server.close()


async def test_a_page_that_cannot_be_written_is_500() -> None:
    server = MetricsServer(broken)
    await server.open("127.0.0.1", 0)
    assert (await fetch(server, b"GET /metrics HTTP/1.1\r\n\r\n"))[0] == 500
    await server.close()


async def test_one_who_sends_without_end_or_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_PATIENCE", 0.1)
    server = MetricsServer(page)
    await server.open("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()
    await server.close()


class Pages:
    """Writes a page when it is allowed to, and counts."""

    def __init__(self) -> None:
        self.made = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> list[bytes]:
        self.made += 1
        await self.gate.wait()
        return [b"x" * 100_000] * 50


GET = b"GET /metrics HTTP/1.1\r\n\r\n"


async def test_all_who_ask_within_a_second_share_one_page() -> None:
    pages = Pages()
    server = MetricsServer(pages)
    await server.open("127.0.0.1", 0)
    asked = [asyncio.create_task(fetch(server, GET)) for _ in range(12)]
    while not pages.made:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.001)
    pages.gate.set()
    assert {code for code, _ in await asyncio.gather(*asked)} == {200}
    assert pages.made == 1
    await server.close()


async def test_silent_clients_make_room_for_those_that_ask() -> None:
    server = MetricsServer(page)
    await server.open("127.0.0.1", 0)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(60)]
    async with asyncio.timeout(20):
        assert await fetch(server, GET) == (200, b"a page\n")
    assert len(server._clients) <= 2 * scrape._CLIENTS
    for _, writer in silent:
        writer.close()
    await server.close()


async def test_one_who_does_not_read_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_PATIENCE", 0.3)
    pages = Pages()
    pages.gate.set()
    server = MetricsServer(pages)
    await server.open("127.0.0.1", 0)
    _lazy, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(GET)
    async with asyncio.timeout(60):
        assert (await fetch(server, GET))[0] == 200
        while server._clients:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)
    writer.transport.abort()
    await server.close()

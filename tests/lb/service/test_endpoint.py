from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from noidlb.events import Event, EventLog
from noidlb.service import endpoint as endpoints
from noidlb.service.endpoint import MetricsEndpoint
from noidlb.service.http import Document

from tests.support.waiting import until_async as until


async def page(_: str) -> Document:
    return Document({}, [b"a page\n"])


def ignore(_: str, __: Exception) -> None:
    pass


class Served:
    def __init__(self) -> None:
        log, self.events = EventLog(), list[Event]()
        log.subscribe(self.events.append)
        self.opened = 0
        self.endpoint = MetricsEndpoint({"/": page}, ignore, log, self._open)

    def _open(self) -> None:
        self.opened += 1

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(endpoints, "_AGAIN", 0.02)
    one = Served()
    yield one
    await one.endpoint.close()
    assert len(asyncio.all_tasks()) == 1


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


async def fetch(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    found = await reader.read()
    writer.close()
    return found


async def test_an_address_that_comes_later_is_served_then(served: Served, taken: socket.socket) -> None:
    address: tuple[str, int] = taken.getsockname()
    await served.endpoint.configure(address)
    await asyncio.sleep(0.1)
    # Once, although it is tried again and again.
    assert served.kinds() == ["metrics-failed"]
    assert served.opened == 0
    taken.close()
    await until(lambda: served.opened == 1)
    assert b"a page" in await fetch(address[1])
    assert served.kinds() == ["metrics-failed", "note"]
    assert served.events[-1].reason == f"metrics are served on 127.0.0.1 port {address[1]} now"


async def test_an_address_that_is_given_up_is_tried_no_more(served: Served, taken: socket.socket) -> None:
    await served.endpoint.configure(taken.getsockname())
    await served.endpoint.configure(taken.getsockname())
    await served.endpoint.configure(None)
    assert len(asyncio.all_tasks()) == 1
    assert served.kinds() == ["metrics-failed"]


async def test_it_moves_to_another_address(served: Served, taken: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        other: tuple[str, int] = free.getsockname()
    await served.endpoint.configure(taken.getsockname())
    await served.endpoint.configure(other)
    assert b"a page" in await fetch(other[1])
    await served.endpoint.configure(None)
    with pytest.raises(ConnectionRefusedError):
        await fetch(other[1])

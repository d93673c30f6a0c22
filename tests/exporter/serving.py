"""An exporter on a free port of loopback, and an HTTP client that sends what it is told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from noidchecks.exporter.service import Service, Settings

GREETING = b"220 Ready.\r\n"
SAMPLE = re.compile(r'([a-z_]+)(\{(?:[^"\\}]|"(?:[^"\\]|\\.)*")*\})? (\S+)')


def shown(host: str, port: int) -> str:
    """Returns host and port as the value of a query."""
    return quote(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


class Answer:
    """A status, the header fields in lower case, and the body."""

    def __init__(self, raw: bytes) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        self.status = int(line.split()[1])
        self.fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        self.text = body.decode()

    @property
    def samples(self) -> dict[str, float]:
        """The values of a page of metrics by name and labels."""
        found = (SAMPLE.fullmatch(line) for line in self.text.splitlines() if not line.startswith("#"))
        return {f"{one[1]}{one[2] or ''}": float(one[3]) for one in found if one}


class Running:
    """A running exporter and what it has said."""

    def __init__(self, service: Service, said: list[str]) -> None:
        self.service = service
        self.said = said

    @property
    def port(self) -> int:
        return self.service.ports[0]

    async def get(self, path: str, *fields: str, method: str = "GET") -> Answer:
        """Asks with a connection of its own."""
        lines = (f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *fields, "", "")
        return Answer(await self.send("\r\n".join(lines).encode()))

    async def wait_for(self, name: str, value: float, *fields: str) -> None:
        """Returns when the exporter's own metrics, for which it is asked with these fields, have a value."""
        for _ in range(6000):
            if (await self.get("/metrics", *fields)).samples.get(name) == value:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{name} does not become {value}")

    async def send(self, data: bytes) -> bytes:
        """Sends what may be a request, and returns all that comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def exporter(**settings: Any) -> AsyncIterator[Running]:
    """Runs an exporter until its `async with` block ends."""
    said: list[str] = []
    service = Service(Settings(**({"listen": (("127.0.0.1", 0),)} | settings)), said.append)
    try:
        await service.open()
        yield Running(service, said)
    finally:
        await service.close()

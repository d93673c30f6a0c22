"""An API that drips holds up its own report until the deadline, and no other one."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from noidchecks.demo.certificate import write_certificate
from noidchecks.surveys.delivery import DeliveryQueue
from noidchecks.surveys.report import icinga2
from noidchecks.surveys.report.icinga2 import Icinga2
from noidchecks.surveys.report.standard_output import Lines
from tests.support.records import record
from tests.support.waiting import LONG, until

pytestmark = pytest.mark.usefixtures("nothing_left")

Drip = Callable[[ssl.SSLSocket, Callable[[], bool]], None]


def drip(connection: socket.socket, over: Callable[[], bool], head: bytes, endless: bytes) -> None:
    connection.sendall(head)
    while not over():
        connection.sendall(endless)
        time.sleep(0.02)


DRIPS = {
    "status": (b"HTTP/1.1 200 ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "end": (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "nothing": (b"", b""),
}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "certificate.pem"
    write_certificate(path, "localhost")
    return path


@pytest.fixture(params=[*DRIPS, "handshake", "greets nobody"])
def slow_port(request: pytest.FixtureRequest, certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                plain = listener.accept()[0]
                with suppress(OSError), plain:
                    if request.param in DRIPS:
                        with context.wrap_socket(plain, server_side=True) as connection:
                            drip(connection, over.is_set, *DRIPS[request.param])
                    elif request.param == "handshake":
                        # A record of TLS that never ends.
                        drip(plain, over.is_set, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0")
                    else:
                        over.wait(LONG)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_drip_does_not_put_the_deadline_off(
    slow_port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(icinga2, "_TIMEOUT", 0.3)
    said: list[str] = []
    slow = DeliveryQueue(
        "slow", Icinga2(f"https://localhost:{slow_port}", "u", "p", str(certificate)), keep=9, say=said.append
    )
    fast = DeliveryQueue("fast", Lines(), keep=9, say=said.append)
    for queue in (slow, fast):
        queue.post(record())
    # Told, and by that tried again later, although the API never stops to send.
    until(lambda: any("seconds" in line or "timed out" in line for line in said))
    until(lambda: fast.delivered == 1)
    for queue in (slow, fast):
        queue.end(0.1)
    for queue in (slow, fast):
        queue.finish(0.1)
    assert (slow.waiting, fast.waiting) == (1, 0)
    assert "web1\tftp" in capfd.readouterr().out
    until(lambda: not slow._thread.is_alive())

"""A source address of one link, with its scope, before every plugin."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from noidchecks import FtpProbe, SshProbe, State, check
from noidchecks.address import source_family

pytestmark = pytest.mark.root


@pytest.fixture
def link() -> Iterator[str]:
    """An interface of our own with a link-local address, and the address with its scope."""
    for words in ("link add scope0 type veth peer name scope1", "link set scope0 up", "link set scope1 up"):
        subprocess.run(["ip", *words.split()], check=True)
    try:
        yield f"{_address('scope0')}%scope0"
    finally:
        subprocess.run(["ip", "link", "delete", "scope0"], check=True)


def _address(device: str) -> str:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        shown = subprocess.run(
            ["ip", "-6", "-o", "address", "show", "dev", device, "scope", "link", "-tentative"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if shown:
            return shown.split()[3].partition("/")[0]
        time.sleep(0.05)
    raise TimeoutError(f"{device} has no address of its link")


@pytest.fixture
def server(link: str) -> Iterator[tuple[int, list[str]]]:
    """A server on the link: its port, and where its clients came from."""
    address, _, device = link.partition("%")
    seen: list[str] = []
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind((address, 0, 0, socket.if_nametoindex(device)))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    client, peer = listener.accept()
                except OSError:
                    return
                seen.append(peer[0].partition("%")[0])
                with client:
                    client.sendall(b"220 ready\r\nSSH-2.0-x\r\n")
                    client.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_source_has_its_scope_or_that_of_the_address(link: str, server: tuple[int, list[str]]) -> None:
    port, seen = server
    plain = link.partition("%")[0]
    for source in ("", link, plain):
        for probe in (FtpProbe(link, port=port, source=source), SshProbe(link, port=port, source=source)):
            result = check(probe)
            assert result.ok, result.text
    assert set(seen) == {plain}


def test_a_scope_that_there_is_not(link: str) -> None:
    source = link.replace("scope0", "nosuch")
    assert source_family(source) == socket.AF_INET6
    result = check(FtpProbe(link, source=source))
    assert result.state == State.UNKNOWN
    assert "cannot use source address" in result.text

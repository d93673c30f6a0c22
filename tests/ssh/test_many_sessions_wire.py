"""Many SFTP sessions at once, each of which has a worker process."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from noidchecks import File, survey
from noidchecks.drivers.fork_server import MOST_WORKERS
from tests.support.sftp import sftp_server
from tests.support.ssh_logins import FINE, probe


@pytest.mark.usefixtures("nothing_left")
def test_silent_servers_delay_neither_healthy_ones_nor_look_ups(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, sftp_server(folder) as port:
        greeted: list[socket.socket] = []

        def greet() -> None:
            with suppress(OSError):
                while True:
                    greeted.append(listener.accept()[0])
                    greeted[-1].sendall(b"SSH-2.0-mute\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        mute = probe(listener.getsockname()[1], timeout=20, sftp=True)
        healthy = [probe(port, sftp=True), probe(port, "localhost", family=socket.AF_INET)]
        try:
            found = list(survey([*[mute] * (MOST_WORKERS - 8), *healthy]))
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in greeted:
                sock.close()
    # They end first, although they began last.
    assert [one for one, result in found[:2] if result.ok] == [one for one, _ in found[:2]]
    # On a machine that forks them slowly, it is not the server that is blamed.
    assert all("Socket timeout after 20 seconds" in result.text for one, result in found if one is mute)


def test_many_at_once(folder: Path) -> None:
    with sftp_server(folder) as port:
        results = [result for _, result in survey([probe(port, get=File("hello.txt"))] * 40)]
    assert [result.text for result in results] == [f"{FINE}[login bob, get hello.txt 13 bytes]"] * 40

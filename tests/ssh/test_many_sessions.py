"""Many SFTP sessions at once, each of which is a thread."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from noidchecks import File, survey
from noidchecks.background import SESSIONS
from tests.fakes.sftp import sftp_server
from tests.ssh.logins import FINE, Check, probe


def timers() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if isinstance(one, threading.Timer)}


@pytest.mark.usefixtures("nothing_left")
def test_silent_servers_delay_neither_healthy_ones_nor_look_ups(folder: Path) -> None:
    before = timers()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, sftp_server(folder) as port:
        greeted: list[socket.socket] = []

        def greet() -> None:
            with suppress(OSError):
                while True:
                    greeted.append(listener.accept()[0])
                    greeted[-1].sendall(b"SSH-2.0-mute\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        mute = probe(listener.getsockname()[1], timeout=6, sftp=True)
        healthy = [probe(port, sftp=True), probe(port, "localhost", family=socket.AF_INET)]
        try:
            found = list(survey([*[mute] * 80, *healthy]))
            # paramiko's own, of which each would be a thread that outlives the check.
            assert timers() <= before
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in greeted:
                sock.close()
    # They end first, although they began last.
    assert [one for one, result in found[:2] if result.ok] == [one for one, _ in found[:2]]
    assert {result.text for one, result in found if one is mute} == {
        "SFTP CRITICAL - Socket timeout after 6 seconds (kex)"
    }


def test_no_thread_for_a_session_is_no_sick_server(run: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SESSIONS, "limit", 0)
    with sftp_server(folder) as port:
        result = run(probe(port, sftp=True))
    assert result.text.startswith("SFTP UNKNOWN - more than 0 sessions run in threads at once")


def test_many_at_once(folder: Path) -> None:
    with sftp_server(folder) as port:
        results = [result for _, result in survey([probe(port, get=File("hello.txt"))] * 40)]
    assert [result.text for result in results] == [f"{FINE}[login bob, get hello.txt 13 bytes]"] * 40

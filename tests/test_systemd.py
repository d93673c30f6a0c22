from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from noidchecks.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and how the environment names it."""
    # Not tmp_path, which may be longer than the 107 bytes of a socket's name.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, TemporaryDirectory() as folder:
        name = f"noidlb-{uuid4()}"
        # Whoever is told nothing must not wait for ever.
        listening.settimeout(30)
        if request.param == "path":
            path = str(Path(folder) / name)
            listening.bind(path)
            yield listening, path
        else:
            listening.bind(f"\0{name}")
            yield listening, f"@{name}"


def test_tells_the_service_manager(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.status("two\nlines")
    notifier.alive()
    notifier.reloading()
    notifier.stopping()
    got = [listening.recv(1024).decode() for _ in range(5)]
    notifier.close()
    assert got[:3] == ["READY=1", "STATUS=two lines", "WATCHDOG=1"]
    assert got[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert got[4] == "STOPPING=1"


def test_without_a_service_manager_nothing_is_said() -> None:
    notifier = Notifier({})
    notifier.ready()
    assert notifier.watchdog is None


@pytest.mark.parametrize("address", ["/nowhere/at/all", "@noidlb-nobody", "vsock:2:1234", "/" + "x" * 200])
def test_a_service_manager_that_is_gone_is_no_trouble(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.close()
    notifier.alive()


def test_one_that_does_not_read_is_not_waited_for(manager: tuple[socket.socket, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    for _ in range(5000):
        notifier.alive()
    notifier.close()


def test_nobody_started_from_here_speaks_in_our_name() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    notifier = Notifier(environment)
    notifier.close()
    assert environment == {"HOME": "/"}
    assert notifier.watchdog == 30.0


@pytest.mark.parametrize(
    "environment", [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}]
)
def test_a_watchdog_that_is_not_ours_is_none(environment: dict[str, str]) -> None:
    assert Notifier(environment).watchdog is None


def test_what_it_waits_for_comes_late_rather_than_never(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        other.connect(address if address.startswith("/") else f"\0{address[1:]}")
        filled = 0
        with suppress(BlockingIOError):
            while True:
                other.send(b"STATUS=much to do")
                filled += 1
    notifier.reloading()
    notifier.status("lost")
    notifier.ready()
    for _ in range(filled):
        listening.recv(1024)
    notifier.alive()
    got = [listening.recv(1024).decode().partition("\n")[0] for _ in range(3)]
    notifier.close()
    assert got == ["RELOADING=1", "READY=1", "WATCHDOG=1"]

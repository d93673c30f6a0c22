"""A resolver that never answers does not hold a check beyond its deadline, nor names of other zones."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.contract.compare import OURS, run
from noidchecks import FtpProbe, NotResolved, State, survey
from tests.support.peers import Peer

pytestmark = pytest.mark.root


@pytest.fixture
def name_server() -> Iterator[socket.socket]:
    """The socket of the only name server, which answers nothing by itself, in the private mount namespace."""
    conf = Path("/run/resolv.conf.dead")
    conf.write_text("nameserver 127.0.0.1\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)
        try:
            yield silent
        finally:
            subprocess.run(["umount", "/etc/resolv.conf"], check=True)


@pytest.fixture
def good_zone(name_server: socket.socket) -> Iterator[None]:
    """Lets the name server answer names of the zone `good` with 127.0.0.1."""

    def answer() -> None:
        while (received := name_server.recvfrom(512))[0] != b"end":
            query, client = received
            if b"\x04good\0" not in query:
                continue
            end = query.index(b"\0", 12) + 5
            is_a = query[end - 4 : end - 2] == b"\0\1"
            # RFC 1035, 4.1: a response with as many answers as there are addresses of the wanted kind.
            head = query[:2] + b"\x81\x80\0\1\0" + (b"\1" if is_a else b"\0") + b"\0\0\0\0"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_a else b""
            name_server.sendto(head + query[12:end] + record, client)

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    name_server.sendto(b"end", name_server.getsockname())
    thread.join()


@pytest.mark.usefixtures("name_server")
@pytest.mark.parametrize("plugin", ["check_ftp", "check_tftp", "check_ssh"])
def test_the_deadline_covers_the_look_up(plugin: str) -> None:
    found = run(OURS / plugin, ["-t", "1", "-H", "some.name.example"])
    assert found.code == 2
    assert "CRITICAL - Socket timeout after 1 seconds (resolve)" in found.text


@pytest.mark.usefixtures("good_zone")
@pytest.mark.parametrize("zones", [1, 400])
def test_dead_zones_fail_no_names_of_others(zones: int) -> None:
    with Peer(b"220 ready\r\n", host="127.0.0.1") as peer:
        dead = [FtpProbe(f"h{number}.bad{number % zones}", port=peer.port, timeout=2) for number in range(400)]
        good = [FtpProbe(f"h{number}.good", port=peer.port, timeout=30) for number in range(100)]
        # Twice, because the threads of the first round are still there in the second.
        for _ in range(2):
            found = dict(survey([*dead, *good]))
            assert {found[probe].text.partition(" on ")[0][:6] for probe in good} == {"FTP OK"}
            assert all(not isinstance(found[probe].failure, NotResolved) for probe in dead)
            assert State.OK not in {found[probe].state for probe in dead}

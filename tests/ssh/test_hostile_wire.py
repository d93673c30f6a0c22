"""Servers that attack what checks them: the others of a survey, and of a guardian's checks, notice nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from noidlb.guardian.checks import Check, CheckRunner

from noidchecks import FtpProbe, Probe, Result, SshProbe, State, survey
from tests.support.peers import Peer
from tests.support.sftp import sftp_server
from tests.support.ssh import MODERN, kexinit, packet
from tests.support.ssh_logins import FINE, probe
from tests.support.waiting import LONG

OTHER = "SHA256:" + "A" * 43
OFFER = MODERN | {
    "kex_algorithms": "diffie-hellman-group14-sha256",
    "server_host_key_algorithms": "rsa-sha2-256",
    "encryption_algorithms_client_to_server": "aes128-ctr",
    "encryption_algorithms_server_to_client": "aes128-ctr",
}


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


ATTACKS = {
    "giant packet": b"\xff\xff\xff\xfc" + bytes(1 << 16),
    "huge integer": packet(b"\x1f" + string(b"") + string(b"\x7f" * (1 << 20)) + string(b"")),
    "long integer": packet(b"\x1f" + string(b"") + string(b"\x7f" * 200_000) + string(b"")),
    "pairs without end": packet(b"\x07" + struct.pack(">I", 0xFFFFFFFF)),
    "nothing, often": packet(b"\x02" + string(b"")) * 20_000,
}


@contextmanager
def hostile(attack: bytes) -> Iterator[int]:
    """A server that attacks in place of its answer in the key exchange; yields its port."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(LONG)
            client.sendall(b"SSH-2.0-x\r\n" + kexinit(**OFFER))
            heard = b""
            # Our identification string, KEXINIT, and KEXDH_INIT, which has the type 30 and 256 or 257 bytes.
            while b"\x1e\x00\x00\x01" not in heard and (data := client.recv(65536)):
                heard += data
            client.sendall(attack)
            while client.recv(65536):
                pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                threads[-1].start()

    threads = [threading.Thread(target=accept)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads[0].start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(LONG)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_survey_beside_a_hostile_server(name: str, folder: Path) -> None:
    threads = len(os.listdir("/proc/self/task"))
    with hostile(ATTACKS[name]) as port, sftp_server(folder) as healthy:
        attacked = SshProbe("127.0.0.1", port=port, timeout=10, fingerprints=(OTHER,))
        found = list(survey([attacked, *[probe(healthy, sftp=True)] * 3, attacked]))
        assert len(os.listdir("/proc/self/task")) <= threads + 12
    texts = [result.text for one, result in found if one is not attacked]
    assert texts == [f"{FINE}[login bob]"] * 3
    for one, result in found:
        assert one is not attacked or result.state == State.CRITICAL, result.text


@pytest.mark.parametrize("name", ["huge integer", "long integer"])
async def test_a_guardians_prober_beside_a_hostile_server(name: str) -> None:
    with hostile(ATTACKS[name]) as port, Peer(b"220 ready\r\n") as healthy:
        checks = CheckRunner()
        ended: asyncio.Queue[tuple[str, Result]] = asyncio.Queue()
        try:
            for _ in range(3):
                bad = Check(["check_ssh", "-p", str(port), "--fingerprint", OTHER, "127.0.0.1"], 10)
                checks.start(bad, lambda result: ended.put_nowait(("bad", result)))
                good = Check(["check_ftp", "-H", healthy.host, "-p", str(healthy.port)], LONG)
                checks.start(good, lambda result: ended.put_nowait(("good", result)))
            found = [await ended.get() for _ in range(6)]
        finally:
            await checks.close()
    assert [result.state for who, result in found if who == "good"] == [State.OK] * 3
    assert [result.state for who, result in found if who == "bad"] == [State.CRITICAL] * 3


def test_an_ftp_check_beside_them_all(folder: Path) -> None:
    with hostile(ATTACKS["huge integer"]) as port, Peer(b"220 ready\r\n") as peer:
        attacked = SshProbe("127.0.0.1", port=port, timeout=10, fingerprints=(OTHER,))
        good = FtpProbe(peer.host, port=peer.port, timeout=LONG)
        probes: list[Probe] = [attacked, good]
        found = dict(survey(probes))
    assert found[good].ok

"""A canary that is written and read back over sockets, and by another implementation."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noidchecks import TftpProbe
from tests.conftest import Check
from tests.support.tftp import Server, Session, error, taking
from tests.support.tftp_serving import CANARY


@pytest.mark.usefixtures("canary")
def test_canary_over_sockets(check: Check, host: str) -> None:
    kept: dict[bytes, bytes] = {}
    with Server(taking(kept, lose=1), host) as server:
        result = check(TftpProbe(host, put="c", port=server.port, timeout=20))
    assert result.text.startswith("TFTP OK - Wrote 1024 bytes and read them back in "), str(result)
    assert kept == {b"c": CANARY}
    # More where the machine is busy.
    assert re.search(r" retransmissions=[1-9]", str(result))


@pytest.mark.usefixtures("canary")
def test_spoilt_canary_over_sockets(check: Check, host: str) -> None:
    with Server(taking({}, spoil=lambda content: content[:-1] + b"!"), host) as server:
        result = check(TftpProbe(host, put="c", port=server.port))
    assert result.text.startswith("TFTP CRITICAL - c (read back): SHA256: expected "), str(result)


@pytest.mark.usefixtures("canary")
def test_refusal_over_sockets(check: Check, host: str) -> None:
    def script(session: Session) -> None:
        assert session.opcode == 2
        session.send(error(2, b"read only"))

    with Server(script, host) as server:
        result = check(TftpProbe(host, put="c", port=server.port))
    assert result.text == "TFTP CRITICAL - c (write): read only (error 2, access violation)"


_TFTPY = """
import logging, sys, threading, tftpy
logging.disable(logging.CRITICAL)
server = tftpy.TftpServer(sys.argv[1])
def tell():
    server.is_running.wait()
    print(server.listenport, flush=True)
threading.Thread(target=tell, daemon=True).start()
server.listen("127.0.0.1", 0)
"""


@pytest.fixture
def tftpy_port(tmp_path: Path) -> Iterator[int]:
    argv = [sys.executable, "-c", _TFTPY, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("asked", [{}, {"blksize": 100}])
@pytest.mark.usefixtures("canary")
def test_tftpy(tftpy_port: int, tmp_path: Path, check: Check, asked: dict[str, Any]) -> None:
    result = check(TftpProbe("127.0.0.1", put="canary", put_size=3000, port=tftpy_port, **asked))
    assert re.match("TFTP OK - Wrote 3000 bytes and read them back ", result.text), str(result)
    assert (tmp_path / "canary").read_bytes() == (CANARY * 3)[:3000]


def test_tftpy_answers_the_size_with_nothing(tftpy_port: int, check: Check) -> None:
    result = check(TftpProbe("127.0.0.1", put="canary", port=tftpy_port, blksize=512, tsize=True))
    assert result.text == "TFTP CRITICAL - canary (write): tsize: expected 1024, received 0"

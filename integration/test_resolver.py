"""A resolver that never answers does not hold a check beyond its deadline."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.contract.compare import OURS, run

pytestmark = pytest.mark.root


@pytest.fixture
def dead_resolver() -> Iterator[None]:
    """Puts a name server that takes questions and gives no answers in place, in the private mount namespace."""
    conf = Path("/run/resolv.conf.dead")
    conf.write_text("nameserver 127.0.0.1\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "/etc/resolv.conf"], check=True)


@pytest.mark.usefixtures("dead_resolver")
@pytest.mark.parametrize("plugin", ["check_ftp", "check_tftp", "check_ssh"])
def test_the_deadline_covers_the_look_up(plugin: str) -> None:
    found = run(OURS / plugin, ["-t", "1", "-H", "some.name.example"])
    assert found.code == 2
    assert "CRITICAL - Socket timeout after 1 seconds (resolve)" in found.text

"""One lab for all tests of the service; each finds its balancer empty, its backends well and no guardian."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.conftest import Folders
from integration.lab import Lab
from integration.lab.names import name_servers
from integration.lb.balance import FIREWALL, NOIDLB, flush
from integration.lb.farms import NAMES
from integration.lb_service.serving import Serving


@pytest.fixture(scope="session")
def shared_lab(new_folder: Folders) -> Iterator[Lab]:
    with Lab(ftp=("vsftpd", "vsftpd", "vsftpd")) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The lab, with every server running, and a balancer with a firewall of its own."""
    shared_lab.balancer.nft(FIREWALL)
    yield shared_lab
    shared_lab.balancer.run(("nft", "flush", "ruleset"))
    flush(shared_lab.balancer)


@pytest.fixture
def names(lab: Lab) -> Iterator[int]:
    """The port on which each backend tells its name."""
    with name_servers(lab.backends, NAMES):
        yield NAMES


@pytest.fixture
def serve(lab: Lab) -> Iterator[Callable[..., Serving]]:
    """Starts `noidlb guard` with the text of a farms file and further options, and ends it after the test."""
    if not NOIDLB.exists():
        pytest.fail(f"{NOIDLB} is not installed", pytrace=False)
    started: list[Serving] = []
    with tempfile.TemporaryDirectory(dir=lab.folder) as folder:
        # For a service that is not root.
        Path(folder).chmod(0o755)

        def start(farms: str, *options: str, **how: tuple[str, ...]) -> Serving:
            started.append(Serving(lab, Path(folder), farms, *options, **how))
            return started[-1]

        yield start
        for one in started:
            one.stop()

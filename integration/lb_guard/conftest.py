"""One lab for all tests of the guardian; each finds its balancer empty and its backends well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from integration.conftest import Folders
from integration.lab import Lab
from integration.lab.names import name_servers
from integration.lb.balance import FIREWALL, flush
from integration.lb.farms import NAMES
from integration.lb_guard.guarding import Guarding


@pytest.fixture(scope="session")
def shared_lab(new_folder: Folders) -> Iterator[Lab]:
    with Lab(ftp=("vsftpd", "vsftpd", "vsftpd"), tftp=("tftpd-hpa", "tftpd-hpa", "tftpd-hpa")) as lab:
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
def guard(lab: Lab) -> Iterator[Callable[[str], Guarding]]:
    """Starts guardians, and ends them after the test."""
    with ExitStack() as started:
        yield lambda farms: started.enter_context(Guarding(lab, farms))

"""A lab whose backends serve TFTP and FTP, and whose client's network machines can be plugged into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from integration.conftest import Folders
from integration.lab import Lab
from integration.lb.balance import FIREWALL, flush
from integration.lb_guard.guarding import Guarding
from integration.pxe.machines import bridge


@pytest.fixture(scope="session")
def shared_lab(new_folder: Folders) -> Iterator[Lab]:
    with Lab(tftp=("tftpd-hpa",) * 3, ssh=False) as lab:
        bridge(lab)
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.balancer.nft(FIREWALL)
    yield shared_lab
    shared_lab.balancer.run(("nft", "flush", "ruleset"))
    flush(shared_lab.balancer)


@pytest.fixture
def guard(lab: Lab) -> Iterator[Callable[[str], Guarding]]:
    """Starts guardians, and ends them after the test."""
    with ExitStack() as started:
        yield lambda farms: started.enter_context(Guarding(lab, farms))

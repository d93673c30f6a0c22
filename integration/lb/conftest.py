"""One lab for all traffic tests; each test finds its balancer empty."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.conftest import Folders
from integration.lab import Lab
from integration.lab.names import name_servers
from integration.lb.balance import NOIDLB, Balance
from integration.lb.farms import NAMES


@pytest.fixture(scope="session")
def shared_lab(new_folder: Folders) -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The lab, with every server running; the backends answer farms in mode snat at first."""
    shared_lab.mode = "snat"
    yield shared_lab
    for backend in shared_lab.backends:
        for upload in (backend.files / "upload").iterdir():
            upload.unlink()


@pytest.fixture
def balance(lab: Lab) -> Iterator[Balance]:
    """Applies the text of a farms file in the balancer."""
    if not NOIDLB.exists():
        pytest.fail(f"{NOIDLB} is not installed", pytrace=False)
    with tempfile.TemporaryDirectory(dir=lab.folder) as folder:
        balance = Balance(lab, Path(folder))
        try:
            yield balance
        finally:
            balance.close()


@pytest.fixture
def names(lab: Lab) -> Iterator[int]:
    """The port on which each backend tells its name."""
    with name_servers(lab.backends, NAMES):
        yield NAMES


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(params=["snat", "dnat"])
def mode(request: pytest.FixtureRequest, lab: Lab) -> str:
    """The mode of a farm; the backends have the way back to the client in dnat alone."""
    lab.mode = request.param
    return str(request.param)

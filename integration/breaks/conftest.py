"""One lab for all failures, with a farm of one backend before the server that breaks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.breaks.scene import Scene
from integration.certificates import Certificates
from integration.conftest import Folders
from integration.lab import Lab
from integration.lb.balance import NOIDLB, Balance


@pytest.fixture(scope="session")
def breakable_lab(new_folder: Folders) -> Iterator[Lab]:
    with Lab(ftp=(), tftp=(), ssh=False) as lab:
        yield lab


@pytest.fixture
def scene(breakable_lab: Lab, certificates: Certificates) -> Iterator[Scene]:
    if not NOIDLB.exists():
        pytest.fail(f"{NOIDLB} is not installed", pytrace=False)
    breakable_lab.mode = "snat"
    with tempfile.TemporaryDirectory(dir=breakable_lab.folder) as folder:
        balance = Balance(breakable_lab, Path(folder))
        try:
            yield Scene(breakable_lab, balance, certificates)
        finally:
            balance.close()

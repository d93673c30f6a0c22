"""One lab with two balancers for all tests of the pair; each test boots them anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.conftest import Folders
from integration.lb.balance import NOIDLB
from integration.pair.lab import PairLab


@pytest.fixture(scope="session")
def pair_lab(new_folder: Folders) -> Iterator[PairLab]:
    if not NOIDLB.exists():
        pytest.fail(f"{NOIDLB} is not installed", pytrace=False)
    with PairLab() as lab:
        yield lab

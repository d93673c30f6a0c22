"""The played programs as fixtures."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from lb import lock, program

from .programs import Played


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found; it is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(program, "_SYSTEM_PATH", str(folder))
    return folder


@pytest.fixture
def nft(path: Path) -> Played:
    """An nft that accepts everything."""
    return Played(path, "nft")


@pytest.fixture
def conntrack(path: Path) -> Played:
    """A conntrack without flows."""
    return Played(path, "conntrack")


@pytest.fixture(autouse=True)
def lock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps guardians of tests from meeting each other, or one of this machine."""
    monkeypatch.setattr(lock, "_ADDRESS", f"\0noidlb-test-{uuid4()}")

"""A server, and a list of targets that are it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.peers import Peer
from tests.support.survey_command import line


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer(b"220 ready\r\n") as running:
        yield running


@pytest.fixture
def listed(tmp_path: Path, peer: Peer) -> Path:
    """A file with 20 targets."""
    path = tmp_path / "targets"
    path.write_text("".join(line(f"h{number}", peer) for number in range(20)))
    return path

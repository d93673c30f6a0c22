"""The lab of the guardian's tests, for those of the service; each finds its balancer empty and no guardian."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.lab import Lab
from integration.lb.balance import NOIDLB
from integration.lb_guard.conftest import lab, names, shared_lab
from integration.lb_service.serving import Serving

__all__ = ["lab", "names", "serve", "shared_lab"]


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

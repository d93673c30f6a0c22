"""The servers that the monitoring servers and load balancers look at."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.monitoring.servers import Farm


@pytest.fixture(scope="module")
def farm(new_folder: Callable[[], Path]) -> Iterator[Farm]:
    """An FTP, a TFTP and an SSH server at their own ports."""
    with Farm(new_folder) as running:
        yield running

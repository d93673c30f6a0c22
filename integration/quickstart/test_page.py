"""Every command of the quickstart of docs/farms.md, in its order, with real servers and a real kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.monitoring.walk import follow

pytestmark = pytest.mark.root

PAGE = Path(__file__).parents[2] / "docs" / "farms.md"


def test_the_quickstart_leads_there(new_folder: Callable[[], Path]) -> None:
    follow("integration.quickstart.walk", PAGE, new_folder(), "--net")

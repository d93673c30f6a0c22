"""Runs every command of the pages about Nagios, Icinga 2 and Prometheus, in their order, with the real daemons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.monitoring.walk import follow

pytestmark = pytest.mark.root

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["nagios.md", "icinga2.md", "prometheus.md"])
@pytest.mark.usefixtures("farm")
def test_the_page_leads_there(page: str, new_folder: Callable[[], Path]) -> None:
    follow("integration.monitoring.walk", DOCS / page, new_folder())

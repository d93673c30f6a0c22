"""Runs every command of the pages about Nagios, Icinga 2 and Prometheus, in their order, with the real daemons."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["nagios.md", "icinga2.md", "prometheus.md"])
@pytest.mark.usefixtures("farm")
def test_the_page_leads_there(page: str, new_folder: Callable[[], Path]) -> None:
    namespaces = ("/usr/bin/unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
    # Process 1 reaps the daemons: one that was told to end would seem to live on.
    parent = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
    words: list[str | Path] = [
        sys.executable,
        "-P",
        "-m",
        "integration.monitoring.walk",
        ROOT / "docs" / page,
        new_folder(),
    ]
    done = subprocess.run(
        [*namespaces, "--", *parent, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout

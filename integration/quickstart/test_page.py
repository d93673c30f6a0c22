"""Every command of the quickstart of docs/farms.md, in its order, with real servers and a real kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

PAGE = Path(__file__).parents[2] / "docs" / "farms.md"


def test_the_quickstart_leads_there(new_folder: Callable[[], Path]) -> None:
    namespaces = ("/usr/bin/unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
    # Process 1 reaps the daemons: one that was told to end would seem to live on.
    parent = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
    words: list[str | Path] = [sys.executable, "-P", "-m", "integration.quickstart.walk", PAGE, new_folder()]
    done = subprocess.run(
        [*namespaces, "--", *parent, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout

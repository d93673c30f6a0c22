"""The demonstration in the lab: farms, guardian and clients, as root and in a user namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

COMMAND = (sys.executable, "-P", "-m", "integration.demo")
# What an ordinary user gets; one without any rights cannot read every Python, so root goes into it instead.
USER = ("unshare", "--user", "--map-root-user")


@pytest.mark.parametrize("before", [(), USER], ids=["root", "user"])
def test_all_is_as_expected_and_nothing_is_left(tmp_path: Path, before: tuple[str, ...]) -> None:
    interfaces = os.listdir("/sys/class/net")
    answer = subprocess.run(
        [*before, *COMMAND], capture_output=True, text=True, timeout=240, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    assert "5 scenes and 60 transfers in " in answer.stdout
    assert answer.stdout.rstrip().endswith("all as expected.")
    assert list(tmp_path.iterdir()) == []
    assert os.listdir("/sys/class/net") == interfaces

"""The demonstration in namespaces of its own: farms, guardian and clients, as root and as an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integration.contract.compare import OURS

pytestmark = pytest.mark.root

COMMAND = OURS / "noidlb"


def test_as_root_all_is_as_expected(tmp_path: Path) -> None:
    before = os.listdir("/sys/class/net")
    answer = subprocess.run(
        [COMMAND, "demo"], capture_output=True, text=True, timeout=120, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    assert "5 scenes and 60 transfers in " in answer.stdout
    assert answer.stdout.rstrip().endswith("all as expected.")
    assert list(tmp_path.iterdir()) == []
    assert os.listdir("/sys/class/net") == before


def test_in_a_user_namespace_too() -> None:
    """What an ordinary user gets; one without any rights cannot read every Python, so root goes into it instead."""
    words = [
        "unshare",
        "--user",
        "--map-root-user",
        sys.executable,
        "-P",
        "-c",
        "from noidlb.cli.main import main; main()",
        "demo",
    ]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    assert "5 scenes and 60 transfers in " in answer.stdout

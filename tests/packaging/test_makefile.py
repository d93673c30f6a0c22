"""What make says of a machine or a place where it cannot work."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_path_with_a_space_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    place = tmp_path / "with space"
    place.mkdir()
    shutil.copy(ROOT / "Makefile", place)
    # Not as a part of the make that runs the tests, which prints the folders that it enters.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(["make", "install"], cwd=place, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout.startswith("The path of the checkout must not contain a space")
    assert [path.name for path in place.iterdir()] == ["Makefile"]

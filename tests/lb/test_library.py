from __future__ import annotations

import subprocess
import sys

import pytest

import lb


def test_every_name_is_there() -> None:
    for name in lb.__all__:
        assert getattr(lb, name).__name__ == name
    assert set(lb.__all__) == set(lb._HOMES)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Gardian'"):
        _ = lb.Gardian


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    script = "import sys, lb; sys.exit('asyncio' in sys.modules or 'lb.watch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0

"""What `make` tests is what `make` installed."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

import noidchecks
from noidchecks.plugin.plugin import PLUGINS


@pytest.mark.skipif(not sys.flags.safe_path, reason="started without -P, to test the checkout")
def test_the_package_under_test_is_the_installed_one() -> None:
    package = Path(noidchecks.__file__).parent
    assert package.parent == Path(sysconfig.get_path("purelib"))
    assert (package / "py.typed").is_file()


@pytest.mark.skipif(not sys.flags.safe_path, reason="started without -P, to test the checkout")
@pytest.mark.parametrize("name", [*PLUGINS, "noidchecks"])
def test_the_executables_run_on_the_interpreter_under_test(name: str) -> None:
    program = Path(sysconfig.get_path("scripts"), name)
    assert program.stat().st_mode & 0o111 == 0o111
    assert program.read_text(encoding="utf-8").splitlines()[0] == f"#!{sys.executable}"

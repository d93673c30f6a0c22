"""The farms file of the quickstart is the installed one, and valid; integration/quickstart runs the commands."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from noidlb.config.load import load

from tests.support.docs_blocks import ROOT, blocks_of

SOURCE = ROOT / "lb" / "examples" / "farms.toml"
INSTALLED = Path(sysconfig.get_path("data"), "share", "noidchecks", "examples", "farms.toml")


def test_the_page_shows_the_example() -> None:
    shown = [
        "\n".join((*block.lines, "")) for block in blocks_of(ROOT / "docs" / "farms.md") if block.language == "toml"
    ]
    assert shown[0] == SOURCE.read_text()


def test_the_example_is_valid() -> None:
    (farm,) = load(SOURCE).farms
    assert farm.guardian is not None
    assert [backend.name for backend in farm.backends] == ["b1", "b2"]


def test_the_example_is_installed() -> None:
    if not INSTALLED.parents[1].exists():
        pytest.skip("noidchecks is not installed in this environment")
    assert INSTALLED.read_text() == SOURCE.read_text()

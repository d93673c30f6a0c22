"""The option tables of the pages are those of the plugins."""

from __future__ import annotations

from types import ModuleType

import pytest

from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import PLUGINS, Plugin, plugin_of
from tests.support.docs_blocks import ROOT
from tests.support.nagios_scripts import load


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """docs/generate.py."""
    return load("docs/generate.py")


@pytest.mark.parametrize("name", PLUGINS)
def test_the_page_has_the_options_of_the_plugin(generator: ModuleType, name: str) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert generator.with_table(page, plugin_of(name)) == page, "run `make docs`"


def test_a_page_without_markers_is_refused(generator: ModuleType) -> None:
    with pytest.raises(ValueError, match="markers"):
        generator.with_table("# check_ftp\n", plugin_of("check_ftp"))


def test_a_row_shows_all_names_and_is_one_row(generator: ModuleType) -> None:
    option = Option("host-name", "H", "A|B", "Say -x or --all | none", aliases=("host",), repeatable=True)
    plugin = Plugin("check_ftp", blurb="", usage="", rows=(option,), build=plugin_of("check_ftp").build)
    row = generator.table(plugin).splitlines()[2]
    expected = r"| `-H`, `--host-name`, `--host` | `A\|B` | Say `-x` or `--all` \| none (repeatable) |"
    assert row == expected

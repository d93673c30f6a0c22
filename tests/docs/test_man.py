"""The manual pages are those of the option tables, and say all that there is."""

from __future__ import annotations

import re

import pytest
from noidlb.cli.commands import commands as noidlb
from noidlb.config import farms as farms_keys, pair, service

from docs.man import commands, farms, generate
from docs.man.roff import Page
from noidchecks.plugin.plugin import PLUGINS, plugin_of
from tests.support.docs_blocks import ROOT

PAGES = dict(generate.pages())


def plain(source: str) -> str:
    """The source without type faces and escapes."""
    return re.sub(r"\\f[A-Z]", "", source).replace("\\-", "-").replace("\\(aq", "'")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_source_says(name: str) -> None:
    written = (ROOT / "packaging" / "share" / "man" / name).read_text(encoding="utf-8")
    assert written == PAGES[name], "run `make docs`"


def test_there_are_no_other_pages() -> None:
    folder = ROOT / "packaging" / "share" / "man"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(PAGES)


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_has_each_option_on_its_page(name: str) -> None:
    page = plain(PAGES[f"man1/{name}.1"])
    for option in plugin_of(name).options:
        assert f"--{option.name}" in page


def test_each_command_has_its_part() -> None:
    page = plain(PAGES["man8/noidlb.8"])
    for name in noidlb.commands:
        assert f'.SS "noidlb {name}' in page
    assert '.SS "noidchecks survey [FILES...]"' in plain(PAGES["man1/noidchecks.1"])


def test_each_variable_of_noidlb_is_explained() -> None:
    page = PAGES["man8/noidlb.8"]
    assert commands.variables()
    for name in commands.variables():
        assert name in page


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (0, farms_keys._FARM),
        (1, farms_keys._BACKEND),
        (2, farms_keys._GUARD),
        (3, service._SERVICE),
        (4, pair._PAIR),
    ],
)
def test_the_tables_explain_the_keys_that_the_file_may_have(table: int, known: dict[str, object]) -> None:
    file, heading, _ = farms.TABLES[table]
    assert set(farms.keys(file, heading)) == set(known)


def test_a_page_without_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="has no table that begins with"):
        farms.table("farms.md", "| key of a dream |")


def test_nothing_becomes_a_request_of_roff() -> None:
    page = Page("name", 1, "summary", date="2026-01-01", version="1")
    page.section("DESCRIPTION")
    page.text(".so /etc/passwd\n\n'br and \\n and -x `.a`")
    page.lines(".so /etc/passwd\n'br")
    source = str(page).splitlines()
    assert "\\&.so /etc/passwd" in source
    assert [line for line in source if line.startswith((".so", "'"))] == []
    assert "\\(aqbr and \\en and \\fB\\-x\\fR \\fB.a\\fR" in source

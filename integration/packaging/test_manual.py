"""The formatters of manual pages find nothing to warn of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PAGES = sorted(
    path for path in (Path(__file__).parents[2] / "packaging" / "share" / "man").rglob("*") if path.is_file()
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize(
    "words",
    [
        ["mandoc", "-T", "lint", "-W", "style"],
        ["groff", "-man", "-ww", "-z", "-T", "utf8"],
        ["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"],
    ],
    ids=lambda words: words[0],
)
def test_a_formatter_warns_of_nothing(words: list[str], page: Path) -> None:
    found = subprocess.run([*words, str(page)], capture_output=True, text=True, timeout=120)
    said = found.stderr + (found.stdout if words[0] == "mandoc" else "")
    # mandoc wants a name within 80 columns, and there are longer summaries.
    lines = [line for line in said.splitlines() if "input text line longer than 80 bytes" not in line]
    assert lines == []

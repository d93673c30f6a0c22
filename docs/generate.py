"""Writes the option table of each docs/check_*.md from that of the plugin, and begins a page that is missing.

Run it as `make docs`; a test fails when a page and its plugin differ.
"""

from __future__ import annotations

import re
from pathlib import Path

from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import PLUGINS, Plugin, plugin_of

BEGIN = "<!-- options -->"
END = "<!-- /options -->"
FOLDER = Path(__file__).parent


def with_table(page: str, plugin: Plugin) -> str:
    """Returns the page with the plugin's table between the markers; ValueError for a page without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page of {plugin.name} needs the markers {BEGIN} and {END}")
    return f"{before}{begin}\n\n{table(plugin)}\n\n{end}{after}"


def table(plugin: Plugin) -> str:
    """Returns the options of a plugin as a Markdown table."""
    rows = (f"| {_names(option)} | {_code(option.metavar)} | {_meaning(option)} |" for option in plugin.options)
    return "\n".join(("| Option | Value | Meaning |", "| --- | --- | --- |", *rows))


def main() -> None:
    """Writes all tables."""
    for name in PLUGINS:
        page = FOLDER / f"{name}.md"
        plugin = plugin_of(name)
        before = page.read_text(encoding="utf-8") if page.exists() else ""
        after = with_table(before or f"# {name}\n\n{plugin.blurb}\n\n{BEGIN}\n{END}\n", plugin)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.name}: options written")


def _names(option: Option) -> str:
    names = [f"-{option.letter}"] if option.letter else []
    names += [f"--{name}" for name in (option.name, *option.aliases)]
    return ", ".join(map(_code, names))


def _meaning(option: Option) -> str:
    # What is an option or an escape in --help is code here.
    words = _cell(re.sub(r"(?<![\w`*-])(--?[A-Za-z][\w-]*|\\[nrt\\]+)", r"`\1`", option.help))
    return f"{words} (repeatable)" if option.repeatable else words


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    # A bar would end the cell, even within code.
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()

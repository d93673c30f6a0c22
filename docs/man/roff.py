"""The source of a manual page in the language of man(7)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

# What roff would take for a request, or print as a typographic sign that no shell understands.
_SIGNS = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})
_OPTION = re.compile(r"(?<![\w/`-])(--?[A-Za-z][\w-]*)")
_CODE = re.compile(r"`([^`]*)`")
# A sentence ends here, and the next begins a line of its own, as the formatters want it.
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)][.])\s+(?=[A-Z])")


class Page:
    """A manual page that grows part by part; str() is its source."""

    def __init__(self, name: str, section: int, summary: str, *, date: str, version: str) -> None:
        title = f'.TH {name.upper().translate(_SIGNS)} {section} {date} "noidchecks {version}"'
        self._lines = ['.\\" Written by `make docs`: do not edit.', title]
        self.section("NAME")
        self._lines.append(f"{escaped(name)} \\- {escaped(summary)}")

    def section(self, title: str) -> None:
        """Begins a section."""
        self._lines.append(f".SH {title}")

    def subsection(self, title: str) -> None:
        """Begins a part of a section."""
        self._lines.append(f'.SS "{escaped(title)}"')

    def text(self, text: str) -> None:
        """Adds paragraphs, which empty lines part; options, and what stands in backquotes, are bold."""
        for number, paragraph in enumerate(text.split("\n\n")):
            # A formatter skips one right behind a heading, and warns.
            if number or not self._lines[-1].startswith((".SH", ".SS")):
                self._lines.append(".PP")
            self._fill(paragraph)

    def items(self, items: Iterable[tuple[str, str]]) -> None:
        """Adds a list of terms, which are source already, and what they mean."""
        for term, meaning in items:
            self._lines += [".TP", term]
            self._fill(meaning)

    def lines(self, text: str) -> None:
        """Adds lines that are printed as they are, in a type of constant width."""
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(".PP")
        self._lines += [".nf", *(_safe(escaped(line)) for line in text.splitlines()), ".fi"]

    def source(self, line: str) -> None:
        """Adds a line of source."""
        self._lines.append(line)

    def _fill(self, text: str) -> None:
        for sentence in _SENTENCE_END.split(" ".join(text.split())):
            wrapped = textwrap.wrap(_marked(sentence), 78, break_long_words=False, break_on_hyphens=False)
            self._lines += map(_safe, wrapped)

    def __str__(self) -> str:
        return "\n".join((*self._lines, ""))


def escaped(text: str) -> str:
    """Returns plain text as source."""
    return text.translate(_SIGNS)


def bold(text: str) -> str:
    """Returns source that prints the text in bold type."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Returns source that prints the text in italics, which stand for what the user fills in."""
    return f"\\fI{escaped(text)}\\fR"


def _marked(text: str) -> str:
    pieces = []
    for number, piece in enumerate(_CODE.split(text)):
        if number % 2:
            pieces.append(bold(piece))
            continue
        for index, word in enumerate(_OPTION.split(piece)):
            pieces.append(bold(word) if index % 2 else escaped(word))
    return "".join(pieces)


def _safe(line: str) -> str:
    # A dot at the beginning would make the line a request.
    return f"\\&{line}" if line.startswith(".") else line

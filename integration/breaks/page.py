"""The tables of docs/what-can-break.md, as expectations."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "what-can-break.md"
PAST_THE_FARM = "†"
"""Marks the failures that are looked at past the farm alone."""
CODES = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}

_PLUGINS = {"FTP": "check_ftp", "TFTP": "check_tftp", "SSH and SFTP": "check_ssh", "Only through the VIP": ""}
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """A status line as the page has it: `...` stands for anything, H for the host, P for the port.

    The page shows the default deadline of 10 seconds, tests have shorter ones.
    """

    text: str

    @property
    def code(self) -> int:
        """The exit code that belongs to its state."""
        if self.text.startswith(("connect to ", "No data received ")):
            # The C plugin's words name no state.
            return CODES["CRITICAL"]
        found = re.match(r"(?:[A-Z]+ )?(OK|WARNING|CRITICAL|UNKNOWN)\b", self.text)
        assert found, f"no state in {self.text!r}"
        return CODES[found[1]]

    @property
    def is_timeout(self) -> bool:
        """Whether a deadline must pass for it."""
        return "Socket timeout" in self.text

    def matches(self, line: str, host: str) -> bool:
        """Whether a plugin's line is this one; "OK" alone is any line of this state."""
        if self.text == "OK":
            return True
        pattern = re.escape(self.text).replace(r"\.\.\.", ".*").replace(r"10\ seconds", r"\d+ seconds")
        pattern = re.sub(r"\bH\b", lambda _: re.escape(host), pattern)
        pattern = re.sub(r"\bport\\ P\b", r"port\\ \\d+", pattern)
        return re.fullmatch(pattern, line) is not None


@dataclass(frozen=True, slots=True)
class Row:
    """A failure, what the plain check says of it, and which words make which plugin see it."""

    section: str
    failure: str
    through_vip: bool
    plain_plugin: str
    plain: Line
    plugin: str
    words: tuple[str, ...]
    line: Line | None
    """None when the plain check sees it by itself."""

    def __str__(self) -> str:
        return f"{self.section}: {self.failure}"


def rows() -> list[Row]:
    """Reads all tables of the page."""
    found: list[Row] = []
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith(("| ---", "| Failure")) and section in _PLUGINS:
            found.append(_row(section, [cell.strip() for cell in line.strip("| ").split(" | ")]))
    return found


def _row(section: str, cells: list[str]) -> Row:
    failure, _, plain, option, line = cells
    words = shlex.split(option.strip("`"))
    plugin = _PLUGINS[section]
    if words[0].startswith("check_"):
        plugin = words.pop(0)
    return Row(
        section=section,
        failure=failure.removesuffix(PAST_THE_FARM).strip(),
        through_vip=not failure.endswith(PAST_THE_FARM),
        plain_plugin=_PLUGINS[section] or plugin,
        plain=Line(plain.strip("`")),
        plugin=plugin,
        words=() if option == _NOTHING else tuple(words),
        line=None if option == _NOTHING else Line(line.strip("`")),
    )

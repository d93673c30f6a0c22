"""The fenced blocks of the Markdown pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
FENCE = "```"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, its language and lines, and the lines of a ```text block right behind it."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]
    output: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}:{self.language}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Yields the blocks of a page, each ```text block as the output of the one before it when nothing is between."""
    pending: Block | None = None
    for block, is_adjacent in _fenced(page):
        if block.language == "text" and pending is not None and is_adjacent:
            yield Block(pending.page, pending.line, pending.language, pending.lines, block.lines)
            pending = None
            continue
        if pending is not None:
            yield pending
        pending = block
    if pending is not None:
        yield pending


def _fenced(page: Path) -> Iterator[tuple[Block, bool]]:
    language = ""
    opened = 0
    inside: list[str] = []
    is_adjacent = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened:
            if line.strip() == FENCE:
                yield Block(page, opened, language, tuple(inside)), is_adjacent
                opened, inside, is_adjacent = 0, [], True
            else:
                inside.append(line)
        elif line.lstrip().startswith(FENCE):
            opened, language = number, line.strip().removeprefix(FENCE)
        elif line.strip():
            is_adjacent = False
    assert not opened, f"{page.name}:{opened}: a block that is never closed"

"""What docs/pair.md, and the quickstart that it builds on, have an operator type, and the farms file that they show."""

from __future__ import annotations

from pathlib import Path

from tests.support.docs_blocks import ROOT, Block, blocks_of

PAIR = ROOT / "docs/pair.md"
FARMS = ROOT / "docs/farms.md"
# Emulated, a machine may not run for half a second, which is a death with the page's 200 ms.
_INTERVAL = 'advert-interval = "2s"'
# A probe may wait for seconds until an emulated processor has time for it.
_GUARD = 'interval = "4s"\nfast-interval = "1s"\ntimeout = "40s"\nrise = 1\nfall = 2\n'
_COMMANDS = {"ftp": "check_ftp -H HOST", "tftp": "check_tftp HOST -f name", "sftp": "check_ssh HOST"}


def section(page: Path, title: str) -> list[Block]:
    """Returns the blocks below a title, such as "## 4. Install", up to the next one of its level."""
    lines = page.read_text(encoding="utf-8").splitlines()
    level = title.split()[0]
    begin = next(number for number, line in enumerate(lines, 1) if line.startswith(title))
    # Not "#", which begins comments inside blocks too.
    ends = (f"{level} ", "## ")
    end = next((number for number, line in enumerate(lines, 1) if number > begin and line.startswith(ends)), len(lines))
    return [block for block in blocks_of(page) if begin < block.line < end]


def script(block: Block) -> str:
    """Returns the text of a block."""
    return "\n".join((*block.lines, ""))


def farms() -> str:
    """Returns the farms file of the page, with guardians, and with farms of TFTP and SFTP beside that of FTP."""
    (shown,) = (block for block in section(PAIR, "## 2.") if block.language == "toml")
    text = script(shown).replace("[pair]\n", f"[pair]\n{_INTERVAL}\n", 1)
    head, begin, farm = text.partition("[farms.ftp]\n")
    texts = [head]
    for protocol, command in _COMMANDS.items():
        one = (begin + farm).replace('"ftp"', f'"{protocol}"').replace("farms.ftp", f"farms.{protocol}")
        texts.append(f'{one}\n[farms.{protocol}.guardian]\ncommand = "{command}"\n{_GUARD}')
    return "\n".join(texts)

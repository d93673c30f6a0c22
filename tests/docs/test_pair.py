"""The files of a pair on its page are those that noidlb pair writes from the farms file on that page."""

from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.config.load import parse
from noidlb.pair.files import NAMES, files_of

from tests.support.docs_blocks import ROOT, blocks_of

BLOCKS = [("\n".join((*block.lines, "")), block.language) for block in blocks_of(ROOT / "docs" / "pair.md")]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_what_is_written(name: str) -> None:
    (text,) = (text for text, language in BLOCKS if language == "toml")
    configuration = parse(text)
    pair = configuration.pair
    assert pair is not None
    made = files_of(pair, pair.nodes[0], configuration, Path("/etc/noidlb/pair"), Path("/run/noidlb-pair"))
    assert set(made) == set(NAMES)
    assert made[name][0] in [shown for shown, language in BLOCKS if language == "conf"]

"""The zones that docs/survey.md shows are such that Icinga 2 takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.monitoring.icinga import Icinga
from tests.support.docs_blocks import ROOT, blocks_of

pytestmark = pytest.mark.root


def test_icinga_accepts_the_zones_of_the_page(new_folder: Callable[[], Path]) -> None:
    blocks = ["\n".join(block.lines) for block in blocks_of(ROOT / "docs" / "survey.md")]
    shown = [text for text in blocks if text.startswith("// ") or text.startswith("object ApiUser")]
    assert len(shown) == 3
    icinga = Icinga(new_folder())
    files = sorted((ROOT / "nagios" / "icinga2").glob("*.conf"))
    icinga.configure("\n".join(shown), *files, constants={"NoidchecksDir": "/opt/plugins"})
    done = icinga.verify()
    assert done.returncode == 0, done.stdout
    icinga.configure("\n".join(shown).replace('zone = "east"', 'zone = "west"'), *files)
    assert icinga.verify().returncode != 0

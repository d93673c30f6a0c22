"""What an index shows has links that lead somewhere from there."""

from __future__ import annotations

import re
import tomllib
from types import ModuleType

import pytest

from tests.support.docs_blocks import ROOT
from tests.support.nagios_scripts import load

PLACE = "https://example.org/noidchecks"


@pytest.fixture(scope="module")
def dist() -> ModuleType:
    """packaging/dist.py."""
    return load("packaging/dist.py")


def test_relative_links_become_absolute_and_others_stay(dist: ModuleType) -> None:
    page = "[a](docs/a.md) [b](docs/b.md#part) [c](https://c.example/) [d](#d) `x](y)` ![e](e.png)"
    tag = f"{PLACE}/blob/v1.2"
    rest = f"[c](https://c.example/) [d](#d) `x]({tag}/y)` ![e]({tag}/e.png)"
    assert dist.absolute(page, PLACE, "1.2") == f"[a]({tag}/docs/a.md) [b]({tag}/docs/b.md#part) {rest}"


def test_each_link_of_the_front_page_leads_to_a_file(dist: ModuleType) -> None:
    page = dist.absolute((ROOT / "README.md").read_text(encoding="utf-8"), PLACE, "1")
    targets = re.findall(r"\]\(([^)\s]+)\)", page)
    ours = [target.removeprefix(f"{PLACE}/blob/v1/") for target in targets if target.startswith(PLACE)]
    assert ours
    assert all(target.startswith(("https://", "#")) for target in targets)
    for target in ours:
        assert (ROOT / target.partition("#")[0]).exists(), target


def test_the_links_of_the_project_are_those_of_its_repository(dist: ModuleType) -> None:
    text = dist.with_links((ROOT / "pyproject.toml").read_text(encoding="utf-8"), PLACE, "1")
    project = tomllib.loads(text)["project"]
    assert project["urls"]["Homepage"] == PLACE
    assert all(place.startswith(PLACE) for place in project["urls"].values())
    assert project["scripts"]["noidlb"] == "noidlb.cli.main:main"

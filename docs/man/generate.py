"""Writes the manual pages below packaging/share/man.

Run it as `make docs`; a test fails when a page and its source differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

from noidchecks import __version__
from noidchecks.plugin.plugin import PLUGINS

from ..write import write_changed
from .commands import noidchecks_page, noidlb_page
from .farms import farms_page
from .plugins import page

FOLDER = Path(__file__).parents[2] / "packaging" / "share" / "man"
CHANGELOG = Path(__file__).parents[2] / "packaging" / "debian" / "changelog"


def date() -> str:
    """Returns the day of the version's entry in the Debian changelog, so that the same sources make the same pages."""
    found = re.search(r"^ -- .*>  (.*)$", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{CHANGELOG.name} has no entry with a date")
    return parsedate_to_datetime(found[1]).date().isoformat()


def pages() -> Iterator[tuple[str, str]]:
    """Yields the path below share/man and the source of each page."""
    about = {"date": date(), "version": __version__}
    for name in PLUGINS:
        yield f"man1/{name}.1", str(page(name, **about))
    yield "man1/noidchecks.1", str(noidchecks_page(**about))
    yield "man8/noidlb.8", str(noidlb_page(**about))
    yield "man5/farms.toml.5", str(farms_page(**about))


if __name__ == "__main__":
    write_changed(FOLDER, dict(pages()))

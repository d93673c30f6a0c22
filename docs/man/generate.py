"""Writes the manual pages below packaging/share/man.

Run it as `make docs`; a test fails when a page and its source differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from noidchecks import __version__
from noidchecks.plugin.plugin import PLUGINS

from ..write import write_changed
from .commands import noidchecks_page, noidlb_page
from .farms import farms_page
from .plugins import page

FOLDER = Path(__file__).parents[2] / "packaging" / "share" / "man"
# Of the version's entry in the changelog of the Debian package, so that the same sources make the same pages.
DATE = "2026-11-27"


def pages() -> Iterator[tuple[str, str]]:
    """Yields the path below share/man and the source of each page."""
    for name in PLUGINS:
        yield f"man1/{name}.1", str(page(name, date=DATE, version=__version__))
    yield "man1/noidchecks.1", str(noidchecks_page(date=DATE, version=__version__))
    yield "man8/noidlb.8", str(noidlb_page(date=DATE, version=__version__))
    yield "man5/farms.toml.5", str(farms_page(date=DATE, version=__version__))


if __name__ == "__main__":
    write_changed(FOLDER, dict(pages()))

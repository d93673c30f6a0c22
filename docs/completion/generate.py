"""Writes the completion files below packaging/share.

Run it as `make docs`; a test fails when a file and its plugin differ.
"""

from __future__ import annotations

from pathlib import Path

from noidchecks.plugin.plugin import PLUGINS, plugin_of

from ..write import write_changed
from .shells import bash, click_files, fish, zsh

FOLDER = Path(__file__).parents[2] / "packaging" / "share"


def files() -> dict[str, str]:
    """Returns the text of each file by its path below share/."""
    found = click_files("noidchecks") | click_files("noidlb")
    for name in PLUGINS:
        plugin = plugin_of(name)
        found[f"bash-completion/completions/{name}"] = bash(plugin)
        found[f"zsh/site-functions/_{name}"] = zsh(plugin)
        found[f"fish/vendor_completions.d/{name}.fish"] = fish(plugin)
    return found


if __name__ == "__main__":
    write_changed(FOLDER, files())

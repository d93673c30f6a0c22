"""Prints the oldest release of each library that pyproject.toml allows, as constraints of pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def floors() -> list[str]:
    """Returns `name==release` for each run-time dependency, those of the extras too."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    found = []
    for one in wanted:
        match = re.match(r"([\w.-]+)(?:\[.*\])?>=([\d.]+)", one)
        assert match, f"no floor: {one}"
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print(*floors(), sep="\n")

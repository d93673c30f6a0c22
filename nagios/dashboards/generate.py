"""Writes the dashboards of nagios/grafana/, whose JSON is too repetitive to be edited by hand.

Run it as `make docs`; a test fails when a file and its dashboard differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .checks import CHECKS
from .farms import FARMS

TARGET = Path(__file__).parents[1] / "grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {"noidlb-farms.json": FARMS, "noidchecks.json": CHECKS}


def written(found: dict[str, Any]) -> str:
    """Returns the contents of a dashboard's file."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, found in DASHBOARDS.items():
        (TARGET / name).write_text(written(found), encoding="utf-8")
        print(f"{TARGET / name}: written")

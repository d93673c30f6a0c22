"""The text of guarded farms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integration.lab import vip
from integration.lb.farms import HasBackends, Value, farm, settings_lines

QUICK: dict[str, Value] = {"interval": "500ms", "fast-interval": "100ms", "timeout": "5s", "rise": 2, "fall": 2}


def guarded(
    lab: HasBackends,
    protocol: str,
    *,
    command: str = "",
    name: str = "farm",
    settings: Mapping[str, Value] | None = None,
    version: int = 4,
    **of: Any,
) -> str:
    """Writes a farm of one IP version with a guardian that is quick; settings are the guardian's, `of` the farm's."""
    guard = {**QUICK, **({"command": command} if command else {}), **(settings or {})}
    lines = [f"[farms.{name}.guardian]", *settings_lines(guard)]
    return "\n".join((farm(lab, protocol, name=name, vips=[vip(version)], **of), *lines, ""))

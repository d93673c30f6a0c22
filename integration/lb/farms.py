"""The text of farms files, as the tests write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integration.lab import Backend, Lab, vip

NAMES = 7000
"""The port of the farms that a name server stands behind."""

Value = str | int | bool | Sequence[str] | Sequence[int]


def farm(
    lab: Lab,
    protocol: str,
    *,
    name: str = "farm",
    vips: Sequence[str] | None = None,
    backends: Sequence[Backend] | None = None,
    of: Mapping[str, Mapping[str, Value]] | None = None,
    every: Mapping[str, Value] | None = None,
    **settings: Value,
) -> str:
    """Writes a farm of the first VIP of each family and of all backends, unless others are named.

    `every` holds settings of each backend, `of` those of single ones by name. Underscores stand for hyphens.
    """
    addresses = [vip(4), vip(6)] if vips is None else list(vips)
    versions = sorted({6 if ":" in address else 4 for address in addresses})
    lines = [f"[farms.{name}]"]
    lines += _lines({"protocol": protocol, "vip": addresses, **settings})
    for backend in lab.backends if backends is None else backends:
        lines.append(f"[[farms.{name}.backends]]")
        lines += _lines({"name": backend.name, "address": [backend.address(version) for version in versions]})
        lines += _lines({**(every or {}), **(of or {}).get(backend.name, {})})
    return "\n".join((*lines, ""))


def _lines(settings: Mapping[str, Value]) -> list[str]:
    return [f"{name.replace('_', '-')} = {_toml(value)}" for name, value in settings.items()]


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(map(_toml, value))}]"

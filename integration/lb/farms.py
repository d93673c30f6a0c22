"""The text of farms files, as the tests write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from integration.lab import vip

NAMES = 7000
"""The port of the farms that a name server stands behind."""

Value = str | int | bool | Sequence[str] | Sequence[int]


class Addressed(Protocol):
    """What a farms file says of a backend."""

    @property
    def name(self) -> str: ...
    def address(self, version: int) -> str:
        """Returns its address of IP version 4 or 6."""


class HasBackends(Protocol):
    """A lab, or what stands for one."""

    @property
    def backends(self) -> Sequence[Addressed]: ...


def farm(
    lab: HasBackends,
    protocol: str,
    *,
    name: str = "farm",
    vips: Sequence[str] | None = None,
    backends: Sequence[Addressed] | None = None,
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
    lines += settings_lines({"protocol": protocol, "vip": addresses, **settings})
    for backend in lab.backends if backends is None else backends:
        lines.append(f"[[farms.{name}.backends]]")
        lines += settings_lines({"name": backend.name, "address": [backend.address(version) for version in versions]})
        lines += settings_lines({**(every or {}), **(of or {}).get(backend.name, {})})
    return "\n".join((*lines, ""))


def settings_lines(settings: Mapping[str, Value]) -> list[str]:
    """Writes settings; underscores stand for hyphens."""
    return [f"{name.replace('_', '-')} = {_toml(value)}" for name, value in settings.items()]


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(map(_toml, value))}]"

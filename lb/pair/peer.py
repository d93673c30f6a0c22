"""What the two nodes of a pair say of themselves, and where they disagree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..role import Role

_INFO = "noidlb_info{"
_UP = "noidlb_backend_up{"
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# How many disagreements people are told.
_TOLD = 20


class PeerError(RuntimeError):
    """Why the other node cannot be asked, or what is wrong with its answer: one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One node: farms is the hash of its file, backends are those that it has seen "up" or "down", by farm and name."""

    role: Role
    version: str
    farms: str
    backends: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What this node and the other one are called."""

    own: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """Both nodes as this one sees them; peer is None when trouble says why nobody knows."""

    names: Names
    own: Side
    peer: Side | None = None
    trouble: str = ""

    @property
    def disagreements(self) -> list[str]:
        """One sentence for each."""
        return [] if self.peer is None else compare(self.own, self.peer, self.names)

    def lines(self) -> list[str]:
        """Writes it for people."""
        said = self.peer.role.value if self.peer is not None else f"unknown: {self.trouble}"
        found = self.disagreements
        lines = [f"{self.names.own}, this node: {self.own.role.value}", f"{self.names.peer}: {said}"]
        lines += [f"disagreement: {one}" for one in found[:_TOLD]]
        return lines + ([f"... and {len(found) - _TOLD} more"] if len(found) > _TOLD else [])

    def to_document(self) -> dict[str, Any]:
        """Writes it for programs."""
        peer = self.peer
        return {
            "node": self.names.own,
            "name": self.names.peer,
            "role": peer.role.value if peer else None,
            "version": peer.version if peer else None,
            "farms": peer.farms if peer else None,
            "trouble": self.trouble or None,
            "disagreements": self.disagreements,
        }


def read_page(page: str) -> Side:
    """Reads the metrics of a guardian; PeerError when they are something else."""
    info: dict[str, str] = {}
    backends: dict[tuple[str, str], str] = {}
    for line in page.split("\n"):
        if line.startswith(_INFO):
            info = dict(_LABEL.findall(line))
        elif line.startswith(_UP):
            labels = dict(_LABEL.findall(line))
            key = labels.get("farm", ""), labels.get("backend", "")
            # It has a line for each address and probe: the worst counts.
            if backends.get(key) != "down":
                backends[key] = "up" if line.endswith(" 1") else "down"
    version, farms = info.get("version", ""), info.get("farms", "")
    try:
        role = Role(info.get("role", ""))
    except ValueError:
        role = None
    if role is None or not _VERSION.fullmatch(version) or not _DIGEST.fullmatch(farms):
        raise PeerError("what answers there does not say version, farms and role, as a guardian of this version does")
    return Side(role=role, version=version, farms=farms, backends=backends)


def compare(own: Side, peer: Side, names: Names) -> list[str]:
    """Returns what two nodes disagree about, one sentence for each."""
    found = (compare_roles(own, peer, names), compare_farms(own, peer, names), compare_versions(own, peer, names))
    return [*filter(None, found), *_backends(own, peer, names)]


def compare_roles(own: Side, peer: Side, names: Names) -> str:
    """Says what is wrong with their roles, or nothing."""
    masters = [own.role, peer.role].count(Role.MASTER)
    if masters == 1:
        return ""
    if masters == 2:
        return f"both are master: {names.own} and {names.peer} do not hear each other's VRRP"
    return f"none is master: {names.own} is {own.role.value}, {names.peer} is {peer.role.value}"


def compare_farms(own: Side, peer: Side, names: Names) -> str:
    """Says whose farms file is which, or nothing."""
    if own.farms == peer.farms:
        return ""
    return f"the farms files differ: {own.farms[:12]} on {names.own}, {peer.farms[:12]} on {names.peer}"


def compare_versions(own: Side, peer: Side, names: Names) -> str:
    """Says whose noidlb is which, or nothing."""
    if own.version == peer.version:
        return ""
    return f"the versions of noidlb differ: {own.version} on {names.own}, {peer.version} on {names.peer}"


def _backends(own: Side, peer: Side, names: Names) -> list[str]:
    return [
        f"{farm}/{backend} is {state} for {names.own}, {other} for {names.peer}"
        for (farm, backend), state in own.backends.items()
        if (other := peer.backends.get((farm, backend), state)) != state
    ]

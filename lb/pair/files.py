"""Writes the files of one node of a pair, and never over a file of another program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from noidchecks.atomic import write_atomic
from noidchecks.regular import NotRegular, open_regular

from ..config.load import Configuration
from ..config.pair import Node, Pair
from .conntrackd import conntrackd_conf, notify_script, sysctl_conf
from .keepalived import keepalived_conf
from .rules import control_ports, pair_rules

SIGN = "# Written by noidlb pair"
"""The mark in the first lines of each file; a file without it is not overwritten."""

NAMES = ("keepalived.conf", "conntrackd.conf", "notify", "noidlb_pair.nft", "noidlb.sysctl.conf")
"""The files of a node."""

# Characters without a meaning in a shell and in the configurations of keepalived and conntrackd.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_.-]+)+")
_LONGEST = 200
# The path of conntrackd's socket must fit into the kernel's 108 bytes.
_LONGEST_OF_SOCKETS = 80


class PathError(ValueError):
    """A path that must not appear in the files, because it is relative, too long or has other characters."""


class ForeignFileError(RuntimeError):
    """A file of another program has the name of a file to be written."""


def files_of(
    pair: Pair, node: Node, configuration: Configuration, folder: Path, run: Path
) -> dict[str, tuple[str, int]]:
    """Returns text and mode of each file by name; folder will hold them, run the daemons' sockets.

    Raises PathError for a path that is relative, too long, or has characters beside letters, digits, '.', '_' and '-'.
    """
    _require_plain(folder, "the folder of the files", _LONGEST)
    _require_plain(run, "the folder of lock, socket and role", _LONGEST_OF_SOCKETS)
    farms = configuration.farms
    source = f"from the farms file {configuration.digest[:12]}"
    head = f"{SIGN} for {node.name}, {source}: change that file, and run noidlb pair again.\n"
    first, _, rest = notify_script(folder, run, control_ports(farms)).partition("\n")
    return {
        "keepalived.conf": (head + keepalived_conf(pair, node, farms, folder), 0o644),
        "conntrackd.conf": (head + conntrackd_conf(pair, node, run), 0o644),
        "notify": (f"{first}\n{head}{rest}", 0o755),
        "noidlb_pair.nft": (head + pair_rules(farms, pair.nodes.index(node)), 0o644),
        "noidlb.sysctl.conf": (head + sysctl_conf(node), 0o644),
    }


def write_files(files: Mapping[str, tuple[str, int]], folder: Path, *, force: bool = False) -> None:
    """Writes the files, each atomically; raises ForeignFileError before writing any, and OSError."""
    for name in files:
        path = folder / name
        if not force and path.exists() and SIGN not in _head(path):
            raise ForeignFileError(f"{path} was not written by noidlb: move it away, or say --force")
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, (text, mode) in files.items():
        write_atomic(folder / name, text.encode(), mode=mode, durable=True)


def _head(path: Path) -> str:
    try:
        with open(open_regular(path), "rb") as file:
            return file.read(800).decode(errors="replace")[:200]
    except NotRegular:
        return ""


def _require_plain(path: Path, what: str, longest: int) -> None:
    text = str(path)
    if not _PLAIN.fullmatch(text) or ".." in path.parts or len(text) > longest:
        raise PathError(
            f"{what} must be an absolute path of at most {longest} letters, digits, '.', '_', '-' and '/', "
            f"not {text[:_LONGEST]!r}: root's notify script and two configuration files name it"
        )

"""Asks this machine for the kernel modules that farms need and for its source address towards a backend."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

from ..farm import Farm, IPAddress
from .run import KernelError, find, run

_TIMEOUT = 30.0


def nat_helpers(farms: Iterable[Farm]) -> list[str]:
    """Returns the NAT helper modules of these farms, which rewrite addresses inside FTP and TFTP dialogues."""
    return sorted({f"nf_nat_{farm.helper}" for farm in farms if farm.helper})


def load(names: Iterable[str]) -> list[str]:
    """Loads modules with modprobe and returns those that are missing all the same."""
    missing = [name for name in names if is_there(name) is False]
    if missing:
        try:
            run([find("modprobe", "kmod"), "--quiet", "--all", *missing], timeout=_TIMEOUT)
        except KernelError:
            # A container has no modprobe, and its host may have loaded the modules: look again below.
            pass
    return [name for name in missing if is_there(name) is False]


def is_there(name: str, root: Path = Path("/")) -> bool | None:
    """Returns whether a module is loaded or built in; None when neither /sys, /lib/modules nor /proc says."""
    if (root / "sys/module" / name).exists():
        return True
    release = os.uname().release
    built_in = _lines(root / "lib/modules" / release / "modules.builtin")
    if built_in is not None and any(line.endswith(f"/{name}.ko".encode()) for line in built_in):
        return True
    configured = _configuration(root / "proc/config.gz")
    if configured is not None:
        # "=m" and not in /sys/module: not loaded.
        return f"CONFIG_{name.upper()}=y".encode() in configured
    loaded = _lines(root / "proc/modules")
    if loaded is not None and built_in is not None:
        return False
    return None


def source_of(address: IPAddress) -> str | None:
    """Returns this machine's source address on the route to address, or None without a route; sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((str(address), 9))
            return str(sock.getsockname()[0])
    except OSError:
        return None


def _lines(path: Path) -> list[bytes] | None:
    try:
        return path.read_bytes().splitlines()
    except OSError:
        return None


def _configuration(path: Path) -> list[bytes] | None:
    # Only where the kernel has no folder of modules.
    import gzip

    try:
        return gzip.decompress(path.read_bytes()).splitlines()
    except (OSError, EOFError, ValueError):
        return None

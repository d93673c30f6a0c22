"""Asks this machine for the kernel modules that farms need, its own addresses and its source address towards others."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from ..address import IPAddress
from ..farm import Farm
from .nfnetlink import HEADER, attribute
from .run import KernelError, find, run

_TIMEOUT = 30.0
# linux/netlink.h, linux/rtnetlink.h
_ROUTES = 0
_NEW_ROUTE, _GET_ROUTE = 24, 26
_REQUEST = 0x1
# struct rtmsg: family, length of the destination, and fields that a request leaves at 0, such as the route's type.
_ROUTE = struct.Struct("=BBxxxxxBxxxx")
_DESTINATION = 1
_LOCAL = 2


def nat_helpers(farms: Iterable[Farm]) -> list[str]:
    """Returns the NAT helper modules of these farms, which rewrite addresses inside FTP and TFTP dialogues."""
    return sorted({f"nf_nat_{farm.helper}" for farm in farms if farm.helper})


def load(names: Iterable[str]) -> list[str]:
    """Loads modules with modprobe and returns those that are still missing."""
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
    is_told = built_in is not None and _lines(root / "proc/modules") is not None
    return False if is_told else None


def is_here(address: IPAddress) -> bool:
    """Tells whether an address is this machine's: the kernel's route to it is a local one; sends nothing.

    The source address on that route would not tell, because that of a secondary address is the primary one. Nor would
    bind(), which takes every address where net.ipv4.ip_nonlocal_bind is 1, as on both nodes of a pair.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, address.max_prefixlen, 0) + attribute(_DESTINATION, address.packed)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTES) as netlink:
            netlink.settimeout(_TIMEOUT)
            netlink.send(HEADER.pack(HEADER.size + len(body), _GET_ROUTE, _REQUEST, 1, 0) + body)
            answer = netlink.recv(1 << 16)
    except OSError:
        return False
    if HEADER.unpack_from(answer)[1] != _NEW_ROUTE:
        # Without a route the answer is an error.
        return False
    return bool(_ROUTE.unpack_from(answer, HEADER.size)[2] == _LOCAL)


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
    # Imported here because most modules are found in /sys/module or modules.builtin.
    import gzip

    try:
        return gzip.decompress(path.read_bytes()).splitlines()
    except (OSError, EOFError, ValueError):
        return None

"""The kernel's count of changes to its tables: a look at it costs microseconds, and tells that others were there."""

from __future__ import annotations

import socket
import struct

# linux/netfilter/nfnetlink.h, nf_tables.h
_NETFILTER = 12
_GET = 10 << 8 | 16
_NEW = 10 << 8 | 15
_ID = 1
_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_PATIENCE = 5.0


def generation() -> int | None:
    """Returns the number of the last change to any table of this network namespace; None when nobody tells."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as netlink:
            netlink.settimeout(_PATIENCE)
            netlink.bind((0, 0))
            netlink.send(_HEADER.pack(_HEADER.size + _FAMILY.size, _GET, _REQUEST, 1, 0) + _FAMILY.pack(0, 0, 0))
            return _read(netlink.recv(65536))
    except OSError:
        return None


def _read(message: bytes) -> int | None:
    if len(message) >= _HEADER.size and _HEADER.unpack_from(message)[1] == _NEW:
        begin = _HEADER.size + _FAMILY.size
        while begin + _ATTRIBUTE.size <= len(message):
            length, kind = _ATTRIBUTE.unpack_from(message, begin)
            if kind == _ID and length == _ATTRIBUTE.size + 4:
                return int.from_bytes(message[begin + 4 : begin + 8])
            # Attributes begin at multiples of four.
            begin += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return None

"""Speaks netlink to the kernel's nf_tables, where starting nft would be too slow or its socket too short-lived."""

from __future__ import annotations

import os
import socket
import struct

# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
_NETFILTER = 12
_TABLES = 10 << 8
NEW_TABLE, GET_TABLE, DELETE_TABLE, NEW_GENERATION, GET_GENERATION = (_TABLES | one for one in (0, 1, 2, 15, 16))
GET_SET = _TABLES | 10
INET = 1
_ERROR, _BEGIN, _END = 2, 16, 17
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
# Seconds. The kernel runs one transaction at a time, and one of 5,000 farms takes seconds.
_PATIENCE = 30.0
# NFTA_GEN_ID
_ID = 1


def opened(number: int = 0, *, groups: int = 0) -> socket.socket:
    """Opens a netlink socket with a port id, unique in the network namespace; 0 lets the kernel choose.

    groups is a bit mask of the multicast groups to join. Raises OSError, for a port id in use too.
    """
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    try:
        made.settimeout(_PATIENCE)
        made.bind((number, groups))
    except OSError:
        made.close()
        raise
    return made


def attribute(kind: int, value: bytes) -> bytes:
    """Packs an attribute."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def ask(netlink: socket.socket, kind: int, body: bytes = b"", *, family: int = 0) -> dict[int, bytes]:
    """Requests one object and returns its attributes; raises OSError, such as FileNotFoundError or PermissionError."""
    netlink.send(_message(kind, _REQUEST, body, family))
    return _read(netlink.recv(1 << 16))


def generation_number() -> int | None:
    """Returns the kernel's counter of ruleset changes in this network namespace, or None; takes microseconds."""
    try:
        with opened() as netlink:
            return generation_of(netlink)
    except OSError:
        return None


def generation_of(netlink: socket.socket) -> int | None:
    """Returns what generation_number() does, asked through an open socket; raises OSError."""
    found = ask(netlink, GET_GENERATION).get(_ID, b"")
    return int.from_bytes(found) if len(found) == 4 else None


def create(netlink: socket.socket, kind: int, body: bytes, *, family: int) -> None:
    """Creates an object in a transaction; raises OSError, FileExistsError when it exists already."""
    flags = _REQUEST | _ACKNOWLEDGE | _EXCLUSIVE | _CREATE
    # In the messages around a transaction the last field is the subsystem.
    begin, end = (HEADER.pack(20, one, _REQUEST, 0, 0) + _FAMILY.pack(0, 0, _TABLES >> 8) for one in (_BEGIN, _END))
    netlink.send(begin + _message(kind, flags, body, family) + end)
    _read(netlink.recv(1 << 16))


def _message(kind: int, flags: int, body: bytes, family: int) -> bytes:
    return HEADER.pack(HEADER.size + _FAMILY.size + len(body), kind, flags, 1, 0) + _FAMILY.pack(family, 0, 0) + body


def _read(answer: bytes) -> dict[int, bytes]:
    """Returns the attributes of an answer, {} for an acknowledgement; raises OSError for an error."""
    if len(answer) < HEADER.size + _CODE.size:
        return {}
    if HEADER.unpack_from(answer)[1] == _ERROR:
        (code,) = _CODE.unpack_from(answer, HEADER.size)
        if code:
            raise OSError(-code, os.strerror(-code))
        return {}
    return attributes(answer, HEADER.size + _FAMILY.size)


def attributes(answer: bytes, begin: int) -> dict[int, bytes]:
    """Returns the attributes that begin at that byte, by kind."""
    found = {}
    while begin + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, begin)
        found[kind] = answer[begin + _ATTRIBUTE.size : begin + length]
        # Attributes begin at multiples of four.
        begin += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return found

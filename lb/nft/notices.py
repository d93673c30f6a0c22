"""Listens to the kernel's nf_tables notifications for changes that other programs make to the noidlb table."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from noidchecks.status.text import printable

from . import nfnetlink
from .nfnetlink import DELETE_TABLE, INET, NEW_GENERATION
from .skeleton import TABLE

# NFNLGRP_NFTABLES, as a bit
_GROUP = 1 << 6
# NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME
_PROCESS, _COMMAND = 2, 3
# The table's name is the first attribute of every message about a table and its contents.
_NAMED = nfnetlink.attribute(1, f"{TABLE}\0".encode())[: 4 + len(TABLE) + 1]
# Bytes. Other programs' transactions may be large, and arrive while the guardian waits for its own.
_BUFFER = 4 << 20
_SO_ATTACH_FILTER = 26
# Seconds to wait for the message that ends a transaction; the kernel sends it right after the parts.
_LAG = 0.02


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of the noidlb table by another program.

    removed: the whole table; who: command and process id, where the kernel gives them; lost: notifications were
    dropped, so that anything may have changed.
    """

    removed: bool = False
    who: str = ""
    lost: bool = False

    def __str__(self) -> str:
        if self.lost:
            return "other programs changed so many tables that the kernel dropped notices of it"
        return f"the table was {'removed' if self.removed else 'changed'} by another program{self.who}"


class Notices:
    """A netlink socket that receives all changes of tables and filters those of other programs to the noidlb table.

    Not thread-safe. Without permission to listen, works is False and read() always returns None.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._ignored = 0
        with suppress(OSError):
            self._socket = nfnetlink.opened(groups=_GROUP)
            self._socket.setblocking(False)
            with suppress(OSError):
                # SO_RCVBUFFORCE
                self._socket.setsockopt(socket.SOL_SOCKET, 33, _BUFFER)

    @property
    def works(self) -> bool:
        """Whether notifications are received."""
        return self._socket is not None

    def fileno(self) -> int:
        """Returns the descriptor that becomes readable when a program changes a table; -1 when works is False."""
        return -1 if self._socket is None else self._socket.fileno()

    def ignore(self, port: int) -> None:
        """Ignores changes from the netlink socket with that port id, which is the process id of the guardian's nft."""
        if self._socket is None or port == self._ignored:
            return
        self._ignored = port
        # A BPF filter that drops these messages in the kernel: load the sender's port id, compare, drop or keep.
        code = ((0x20, 0, 0, 12), (0x15, 0, 1, socket.htonl(port)), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
        program = b"".join(struct.pack("=HBBI", *one) for one in code)
        held = ctypes.create_string_buffer(program, len(program))
        with suppress(OSError):
            self._socket.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(code), ctypes.addressof(held))
            )

    def read(self) -> Notice | None:
        """Returns what other programs changed since the last call, or None."""
        removed = changed = lost = False
        who = ""
        is_open = False
        while (data := self._receive(wait=is_open)) is not None:
            if not data:
                lost = True
                continue
            for kind, message in _messages(data, self._ignored, hurry=not is_open):
                if kind == NEW_GENERATION:
                    # The end of a transaction; it names the process.
                    if is_open:
                        who, is_open = _who(message), False
                elif message[0] == INET and message.startswith(_NAMED, 4):
                    changed = is_open = True
                    removed = removed or kind == DELETE_TABLE
        if lost:
            return Notice(lost=True)
        return Notice(removed, who) if changed else None

    def close(self) -> None:
        """Stops listening."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self, *, wait: bool) -> bytes | None:
        """Returns a datagram, b"" when the kernel has dropped some, None when none is waiting."""
        if self._socket is None:
            return None
        if wait:
            select.select([self._socket], [], [], _LAG)
        try:
            return self._socket.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            return b""


def _messages(data: bytes, ignored: int, *, hurry: bool) -> Iterator[tuple[int, bytes]]:
    """Yields kind and body of each message of other senders; hurry skips datagrams without the table's name."""
    if hurry and _NAMED not in data:
        return
    begin = 0
    while begin + nfnetlink.HEADER.size <= len(data):
        length, kind, _, _, port = nfnetlink.HEADER.unpack_from(data, begin)
        if length < nfnetlink.HEADER.size + 4:
            return
        if port not in (0, ignored):
            yield kind, data[begin + nfnetlink.HEADER.size : begin + length]
        begin += (length + 3) & ~3


def _who(message: bytes) -> str:
    found = nfnetlink.attributes(message, 4)
    command = printable(found.get(_COMMAND, b"").rstrip(b"\0"), 40)
    process = int.from_bytes(found.get(_PROCESS, b""))
    return f" ({command}, process {process})" if command and process else ""

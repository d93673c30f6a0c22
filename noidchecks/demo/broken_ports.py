"""Ports of broken servers: one refuses connections, the others accept a client or a datagram and never answer."""

from __future__ import annotations

import socket
from contextlib import contextmanager

from .server_process import LOOPBACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def dead_tcp_port() -> Iterator[int]:
    """A port that refuses connections; it is bound, so that no other process can get it."""
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        yield holder.getsockname()[1]


@contextmanager
def dead_udp_port() -> Iterator[int]:
    """A port that answers datagrams with "port unreachable"; held by a socket that only hears from itself."""
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind((LOOPBACK, 0))
        holder.connect(holder.getsockname())
        yield holder.getsockname()[1]


@contextmanager
def hung_tcp_port() -> Iterator[int]:
    """A port where the kernel accepts connections and no process does."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def hung_udp_port() -> Iterator[int]:
    """A port where datagrams arrive and no process reads them."""
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind((LOOPBACK, 0))
        yield listener.getsockname()[1]

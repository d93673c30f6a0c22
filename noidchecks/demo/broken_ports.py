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
    """A port that answers datagrams with "port unreachable"; it is bound by a socket connected to itself."""
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind((LOOPBACK, 0))
        holder.connect(holder.getsockname())
        yield holder.getsockname()[1]


@contextmanager
def hung_tcp_port() -> Iterator[int]:
    """A port on which the kernel accepts connections but no process does."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def hung_udp_port() -> Iterator[int]:
    """A port on which datagrams arrive but no process reads them."""
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind((LOOPBACK, 0))
        yield listener.getsockname()[1]

"""Ports of sick servers: one that nobody listens on, one where a client is let in and never answered."""

from __future__ import annotations

import socket
from contextlib import contextmanager

from .server_process import LOOPBACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def dead_tcp_port() -> Iterator[int]:
    """A port that refuses connections; bound, so that nobody else can get it meanwhile."""
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
    """A port where the kernel accepts connections and nobody ever takes them up."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def hung_udp_port() -> Iterator[int]:
    """A port where datagrams arrive and nobody ever reads them."""
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind((LOOPBACK, 0))
        yield listener.getsockname()[1]

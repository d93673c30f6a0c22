"""Fetches the page of metrics from the other node, which may be dead, hung or somebody else."""

from __future__ import annotations

import re
import socket
import time

from .peer import PeerError

PATIENCE = 1.0
# A watched backend takes a little less than 1 KiB of it.
MAX_SIZE = 32 * 1024 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,12}) *(?:\r|$)", re.IGNORECASE)


def fetch(host: str, port: int, patience: float = PATIENCE) -> str:
    """Returns the page that is served at an address; PeerError after so many seconds at the latest."""
    end = time.monotonic() + patience
    where = f"{host} port {port}"
    try:
        with socket.create_connection((host, port), patience) as sock:
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = _read(sock, end)
    except TimeoutError:
        raise PeerError(f"{where}: no answer within {patience:g} s") from None
    except OSError as error:
        raise PeerError(f"{where}: {error.strerror or error}") from None
    if answer is None:
        raise PeerError(f"{where}: its answer is longer than {MAX_SIZE // 1024 // 1024} MiB")
    head, _, body = answer.partition(b"\r\n\r\n")
    status, length = _STATUS.match(head), _LENGTH.search(head)
    if status is None:
        raise PeerError(f"{where}: its answer is not HTTP")
    if status[1] != b"200":
        raise PeerError(f"{where}: it answers {status[1].decode()} instead of metrics")
    if length is not None and len(body) < int(length[1]):
        raise PeerError(f"{where}: its answer is cut off")
    return body.decode(errors="replace")


def _read(sock: socket.socket, end: float) -> bytes | None:
    """Reads to the end of a stream; None when it is too long."""
    read = bytearray()
    while len(read) <= MAX_SIZE:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        data = sock.recv(65536)
        if not data:
            return bytes(read)
        read += data
    return None

"""The greeting of TOY: one line, at most 256 bytes."""

from __future__ import annotations

from noidchecks.errors import PeerError

LIMIT = 256


def name_in(line: bytes) -> str:
    """Returns the name in a greeting; PeerError for another line."""
    version, _, name = line.rstrip(b"\r\n").partition(b" ")
    if version != b"TOY/1" or not name:
        raise PeerError("this is not TOY", expected="TOY/1 and a name", received=line)
    return name.decode(errors="surrogateescape")

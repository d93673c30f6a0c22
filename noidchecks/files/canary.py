"""The canary: a file of our own that is stored, read back, compared and deleted."""

from __future__ import annotations

from os import urandom


class Canary:
    """A file with a name that nobody else has, and its contents."""

    __slots__ = ("name", "data")

    def __init__(self, folder: str = "") -> None:
        token = urandom(12).hex()
        parent = "" if not folder else "/" if not folder.strip("/") else f"{folder.rstrip('/')}/"
        self.name = f"{parent}noidchecks-{token}.tmp"
        self.data = f"noidchecks canary {token}\r\n".encode() * 8

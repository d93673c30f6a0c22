"""The canary: a file of our own that is stored, read back, compared and deleted."""

from __future__ import annotations

from os import urandom

from .content import Content

# The time that is reserved for deleting the canary: this share of the timeout, at most these seconds.
_SHARE, _LONGEST = 0.1, 2.0


def reserve(timeout: float) -> float:
    """Returns the seconds before a deadline that are kept for taking the canary away."""
    return min(max(timeout, 0.0) * _SHARE, _LONGEST)


class Canary:
    """A file with a random name and random contents."""

    __slots__ = ("name", "data")

    def __init__(self, folder: str = "") -> None:
        token = urandom(12).hex()
        parent = "" if not folder else "/" if not folder.strip("/") else f"{folder.rstrip('/')}/"
        self.name = f"{parent}noidchecks-{token}.tmp"
        self.data = f"noidchecks canary {token}\r\n".encode() * 8

    def to_read(self) -> Content:
        """Returns what takes the canary when it is read back."""
        return Content(hashed=False, text=self.data)

    def complaint(self, back: Content) -> str:
        """Returns what is wrong with what was read back, "" for nothing."""
        if back.found and back.size == len(self.data):
            return ""
        return f"what was read back is not what was stored: {back.size} of {len(self.data)} bytes"

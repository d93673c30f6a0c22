"""The canary: a file of the check itself that it stores, reads back, compares and deletes."""

from __future__ import annotations

from os import urandom

from .content import Content

# The time that is reserved for deleting the canary: this share of the timeout, at most these seconds.
_SHARE, _LONGEST = 0.1, 2.0


def reserve(timeout: float) -> float:
    """Returns the seconds before the deadline that are reserved for deleting the canary."""
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
        """Returns the sink that compares the canary when it is read back."""
        return Content(hashed=False, text=self.data)

    def complaint(self, back: Content) -> str:
        """Returns the difference between the data read back and the canary, "" if they are equal."""
        if back.found and back.size == len(self.data):
            return ""
        return f"what was read back is not what was stored: {back.size} of {len(self.data)} bytes"

"""A private key to log in with."""

from __future__ import annotations

from ..errors import UsageError
from ..value import Value


class Identity(Value):
    """The path of a private key, and its passphrase, which is not part of the repr."""

    __slots__ = ("path", "passphrase")
    path: str
    passphrase: str

    def __init__(self, path: str, passphrase: str = "") -> None:
        if not path or "\0" in path:
            raise UsageError("Identity must be the path of a private key")
        self._fill(locals())

    def __repr__(self) -> str:
        return f"Identity(path={self.path!r}, passphrase={'****' if self.passphrase else ''!r})"

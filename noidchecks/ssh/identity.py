"""A private key to log in with."""

from __future__ import annotations

from ..errors import UsageError
from ..fields import require_types
from ..value import Value


class Identity(Value):
    """The path of a private key and its passphrase; the repr masks the passphrase."""

    path: str
    passphrase: str

    def __init__(self, path: str, passphrase: str = "") -> None:
        self._fill(locals())
        require_types(self)
        if not path:
            raise UsageError("Identity must be the path of a private key")

    def __repr__(self) -> str:
        return f"Identity(path={self.path!r}, passphrase={'****' if self.passphrase else ''!r})"

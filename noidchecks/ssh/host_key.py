"""The host key of a server."""

from __future__ import annotations

from ..value import Value


class HostKey(Value):
    """The key that a server proved to have, and the fingerprints that a file of known hosts has for the server."""

    kind: str
    fingerprint: str
    known: tuple[str, ...]
    revoked: tuple[str, ...]

    def __init__(self, kind: str, fingerprint: str, known: tuple[str, ...] = (), revoked: tuple[str, ...] = ()) -> None:
        self._fill({"kind": kind, "fingerprint": fingerprint, "known": known, "revoked": revoked})

    @property
    def is_revoked(self) -> bool:
        """Whether the file of known hosts revokes the key."""
        return self.fingerprint in self.revoked

    def is_one_of(self, fingerprints: tuple[str, ...]) -> bool:
        """Tells whether the key has one of the fingerprints, or is a known one, and is not revoked."""
        return not self.is_revoked and self.fingerprint in (*fingerprints, *self.known)

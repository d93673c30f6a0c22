"""The host key of a server."""

from __future__ import annotations

from ..value import Value


class HostKey(Value):
    """The host key that a server has proved to own, and the server's fingerprints in a known_hosts file."""

    kind: str
    fingerprint: str
    known: tuple[str, ...]
    revoked: tuple[str, ...]

    def __init__(self, kind: str, fingerprint: str, known: tuple[str, ...] = (), revoked: tuple[str, ...] = ()) -> None:
        self._fill({"kind": kind, "fingerprint": fingerprint, "known": known, "revoked": revoked})

    @property
    def is_revoked(self) -> bool:
        """Whether the known_hosts file revokes the key."""
        return self.fingerprint in self.revoked

    def is_one_of(self, fingerprints: tuple[str, ...]) -> bool:
        """Tells whether the key is not revoked, and has one of the fingerprints or is a known one."""
        return not self.is_revoked and self.fingerprint in (*fingerprints, *self.known)

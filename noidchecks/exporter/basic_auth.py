"""Basic authentication (RFC 7617) against bcrypt hashes, with a cache of checked users and passwords."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os

from .errors import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A bcrypt hash of cost 10 for unknown users, so that checking one takes as long as checking a known user.
_NO_USER = b"$2b$10$CwTycUXWue0Thq9StjUM0uJ8hLGcZjEGE/WcqN6oVGqpJTWc7BCTK"
_MOST_KNOWN = 100
_LONGEST = 1024


class BasicAuth:
    """Checks the Authorization field of requests; hashing runs in a thread, one at a time.

    At most most_waiting requests wait for a hash, which takes 0.05 s, because each occupies the place of a client.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._waiting = 0
        self._key = os.urandom(32)
        # Separate, so that a flood of wrong passwords does not displace the right ones.
        self._right: set[bytes] = set()
        self._wrong: set[bytes] = set()
        self._lock = asyncio.Lock()

    async def accepts(self, field: str, users: Mapping[str, bytes]) -> bool:
        """Tells whether the field has a user and the right password; RequestError when too many requests wait."""
        user, password = _credentials(field)
        if user is None:
            return False
        expected = users.get(user)
        # A keyed hash, so that passwords cannot be guessed offline from the cache.
        known = hmac.digest(self._key, b"\0".join((user.encode(), expected or b"", password)), hashlib.sha256)
        if known in self._right or known in self._wrong:
            return known in self._right
        if self._waiting >= self._most_waiting:
            raise RequestError("too many passwords wait to be checked", 503)
        self._waiting += 1
        try:
            async with self._lock:
                # Another request may have waited for the same hash.
                if known not in self._right and known not in self._wrong:
                    matches = await asyncio.to_thread(_matches, password, expected or _NO_USER)
                    kept = self._right if matches and expected is not None else self._wrong
                    if len(kept) >= _MOST_KNOWN:
                        kept.clear()
                    kept.add(known)
                return known in self._right
        finally:
            self._waiting -= 1


def _credentials(field: str) -> tuple[str | None, bytes]:
    scheme, _, words = field.partition(" ")
    if scheme.lower() != "basic" or len(words) > _LONGEST:
        return None, b""
    try:
        user, colon, password = base64.b64decode(words.strip(), validate=True).partition(b":")
        return (user.decode() if colon else None), password
    except (binascii.Error, ValueError):
        return None, b""


def _matches(password: bytes, expected: bytes) -> bool:
    import bcrypt

    try:
        # bcrypt uses only the first 72 bytes, and from release 5 on refuses longer passwords.
        return bcrypt.checkpw(password[:72], expected)
    except ValueError:
        return False

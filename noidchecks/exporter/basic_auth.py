"""Basic authentication (RFC 7617) against bcrypt hashes, each pair of user and password hashed once."""

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

# A bcrypt hash of cost 10, of nothing: an unknown user takes as long as a known one.
_NO_USER = b"$2b$10$CwTycUXWue0Thq9StjUM0uJ8hLGcZjEGE/WcqN6oVGqpJTWc7BCTK"
_MOST_KNOWN = 100
_LONGEST = 1024


class BasicAuth:
    """Checks the Authorization field of requests; hashing runs in a thread, one at a time.

    At most most_waiting requests wait for a hash, which takes 0.05 s: each of them holds the place of a client.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._waiting = 0
        self._key = os.urandom(32)
        # Apart, so that a flood of wrong passwords makes none of the right ones wait for its hash.
        self._right: set[bytes] = set()
        self._wrong: set[bytes] = set()
        self._lock = asyncio.Lock()

    async def accepts(self, field: str, users: Mapping[str, bytes]) -> bool:
        """Tells whether the field names one of the users with the right password; RequestError when too many wait."""
        user, password = _credentials(field)
        if user is None:
            return False
        expected = users.get(user)
        # Keyed, so that the memory of the process holds nothing that a password can be guessed with.
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
        # Of more than 72 bytes bcrypt takes the first ones, and from its release 5 on refuses the rest.
        return bcrypt.checkpw(password[:72], expected)
    except ValueError:
        return False

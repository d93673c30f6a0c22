"""Redacts secrets in text that is printed."""

from __future__ import annotations

from .text import LIMIT, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Failure(Protocol):
        """The part of a ProbeError that is masked; a PeerError has received too."""

        message: str
        args: tuple[object, ...]


MASK = "****"
# For a secret with fewer bytes the whole text is masked: a mask at its place would reveal it, because the text around
# the mask can be guessed.
_SHORT = 4


class Gate:
    """Masks the secrets in a peer's text, then makes it printable.

    When a secret has less than four bytes, the whole text is masked.
    """

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[bytes | str] = ()) -> None:
        self._secrets: tuple[bytes, ...] = ()
        for secret in secrets:
            self.add(secret)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The secrets, the longest first."""
        return self._secrets

    def add(self, secret: bytes | str) -> None:
        """Adds a secret to mask from now on; an empty one is ignored."""
        if secret:
            # The longest first, because a secret may be a part of another.
            known = dict.fromkeys((*self._secrets, _bytes(secret)))
            self._secrets = tuple(sorted(known, key=len, reverse=True))

    def repeats(self, raw: bytes | str) -> bool:
        """Tells whether the text contains a secret."""
        if not self._secrets:
            return False
        data = _bytes(raw)
        return any(secret in data for secret in self._secrets)

    def masked(self, data: bytes) -> bytes:
        """Returns the data with masks in place of the secrets."""
        for secret in self._secrets:
            if secret in data:
                data = MASK.encode() if len(secret) < _SHORT else data.replace(secret, MASK.encode())
        return data

    def words(self, raw: bytes | str, limit: int = LIMIT) -> str:
        """Returns the text masked, printable and cut to limit characters."""
        # Masked before it is cut, because a secret that is cut at the end would not be recognised.
        return printable(self.masked(_bytes(raw)) if self.repeats(raw) else raw, limit)

    def conceal(self, failure: Failure) -> None:
        """Masks the secrets in an error; a short one in its message only if the received text contains it."""
        received = getattr(failure, "received", b"")
        data = _bytes(failure.message)
        for secret in self._secrets:
            if len(secret) >= _SHORT:
                # The message may hold the secret raw or escaped for printing.
                for form in {secret, printable(secret).encode()}:
                    data = data.replace(form, MASK.encode())
            elif secret in _bytes(received):
                data = MASK.encode()
        if data != _bytes(failure.message):
            failure.message = data.decode(errors="surrogateescape")
            failure.args = (failure.message,)
        if self.repeats(received):
            masked = self.masked(_bytes(received))
            failure.received = masked if isinstance(received, bytes) else masked.decode(errors="surrogateescape")  # type: ignore[attr-defined]  # a PeerError


def _bytes(text: bytes | str) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        # Lone surrogates that surrogateescape does not map to a byte.
        return b"".join(
            char.encode(errors="surrogateescape" if "\udc80" <= char <= "\udcff" else "backslashreplace")
            for char in text
        )

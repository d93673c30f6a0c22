"""Secrets kept out of what is printed."""

from __future__ import annotations

from .text import LIMIT, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Failure(Protocol):
        """The part of a ProbeError that is masked; received is a PeerError's."""

        message: str
        args: tuple[object, ...]


MASK = "****"
# A mask in place of a shorter secret would reveal it: the text around it is guessable.
_SHORT = 4


class Gate:
    """Masks the secrets in a peer's text, then makes it printable.

    A secret of less than four bytes takes the whole text with it.
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
        """Masks this secret too from now on; an empty one is none."""
        if secret:
            # The longest first: one may be a part of another.
            known = dict.fromkeys((*self._secrets, _bytes(secret)))
            self._secrets = tuple(sorted(known, key=len, reverse=True))

    def repeats(self, raw: bytes | str) -> bool:
        """Tells whether a secret stands in the text."""
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
        """Returns what may be printed of the text, at most limit characters of it."""
        # Masked before it is cut: what is left of a secret at the end would not be found any more.
        return printable(self.masked(_bytes(raw)) if self.repeats(raw) else raw, limit)

    def conceal(self, failure: Failure) -> None:
        """Masks the secrets in the message of an error; a short one only if the peer's own words contain it."""
        received = getattr(failure, "received", b"")
        data = _bytes(failure.message)
        for secret in self._secrets:
            if len(secret) >= _SHORT:
                # As it is, and as it is printed.
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
        # Halves of pairs that stand for no byte.
        return b"".join(
            char.encode(errors="surrogateescape" if "\udc80" <= char <= "\udcff" else "backslashreplace")
            for char in text
        )

"""The errors of peers, of this machine and of callers."""

from __future__ import annotations

import sys
from errno import EADDRNOTAVAIL, ENETUNREACH

from .status.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .address import Address


def forget_frames(error: BaseException) -> None:
    """Removes the tracebacks of an error and of its causes and contexts, and with them the references of their frames.

    The exception that the caller is handling keeps its traceback, although Python makes it the context of every
    exception that is raised meanwhile.
    """
    handled = sys.exception()
    pending = [error]
    while pending:
        one = pending.pop()
        one.__traceback__ = None
        origins = (one.__cause__, one.__context__)
        pending += [origin for origin in origins if origin and origin is not handled and origin.__traceback__]


# The text of the C plugins for a failed TLS handshake; the reason follows it in parentheses.
NO_TLS = "Cannot make SSL connection."


class Portable(Exception):
    """An error that pickle and copy accept whatever its constructor's signature; compares by its attributes."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception.__reduce__() would call the constructor with args, which has only the message.
        return _revive, (type(self), self.args, self.__dict__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.args == other.args and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.args))


def _revive(kind: type[Portable], args: tuple[object, ...], fields: dict[str, object]) -> Portable:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class UsageError(Portable, ValueError):
    """The caller asked for something impossible; the message is one sentence for the operator."""


class BareUsageError(UsageError):
    """A usage error that the plugins print alone, without their name and the usage text, as the C plugins do."""


class ProbeError(Portable):
    """The dialogue with a peer failed; becomes a Result, never reaches the caller of check().

    phase is the phase in which it failed: resolve, connect, tls, greeting, kexinit, kex, login, data, transfer.
    """

    state = State.CRITICAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.phase = ""

    @property
    def kind(self) -> str:
        """The name of its class or, for a subclass of another module, of its nearest base class in this module."""
        return next(base.__name__ for base in type(self).__mro__ if base.__module__ == __name__)


class NotResolved(ProbeError):
    """The name of the peer has no address of the wanted family, or could not be looked up."""


class NotConnected(ProbeError):
    """No connection, or a connection lost: refused, unreachable, reset.

    code is the errno; when a firewall beyond this machine forbids the connection, it is EHOSTUNREACH over IPv6 too.
    address is that of the peer, if known.
    """

    def __init__(self, message: str, code: int, address: Address | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.address = address

    @property
    def is_without_way(self) -> bool:
        """Whether this machine has no route to the address, which tells nothing about the peer."""
        return self.code in (EADDRNOTAVAIL, ENETUNREACH)


class LocalError(ProbeError):
    """A failure of this machine: no free descriptor, a source address that it does not have, no permission."""

    state = State.UNKNOWN


class DeadlineExceeded(ProbeError):
    """The deadline passed before the dialogue ended; seconds is the timeout that was set."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Socket timeout after {seconds:.10g} seconds")
        self.seconds = seconds


class TlsError(ProbeError):
    """The TLS handshake or the verification of the certificate failed."""


class PeerError(ProbeError):
    """The peer violated the protocol or refused a step of it; has the expected and the received text."""

    def __init__(self, message: str, *, expected: str, received: bytes | str) -> None:
        super().__init__(message)
        self.expected = expected
        self.received = received

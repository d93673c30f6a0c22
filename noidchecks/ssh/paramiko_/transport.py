"""paramiko's transport with additions: limits, one service request for all logins, the server's DISCONNECT text."""

from __future__ import annotations

import threading

from ...status.text import printable
from . import paramiko
from .bounds import Bounds
from .questions import Questions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

_SHOWN = 200
# Two names of the same method (RFC 8731 section 1); paramiko may know only the second one.
_CURVE, _CURVE_OF_LIBSSH = "curve25519-sha256", "curve25519-sha256@libssh.org"


class Identification(str):
    """The server's identification string, which paramiko searches as text and hashes as its original bytes."""

    __slots__ = ()

    @classmethod
    def of(cls, line: bytes) -> Identification:
        """Returns the string of a line without its line end."""
        return cls(line.decode(errors="surrogateescape"))

    def encode(self, *_: object) -> bytes:
        return super().encode(errors="surrogateescape")


class Transport(paramiko.Transport):  # type: ignore[misc]  # paramiko ships no types
    """A transport on which many login attempts follow one service request (RFC 4253 section 10).

    paramiko repeats the service request before each attempt, and some servers end the connection at the second one.
    farewell is the server's printable reason in its DISCONNECT (section 11.1), "" for none.
    """

    farewell = ""
    auth_handler: Any
    remote_version: Identification
    _preferred_kex = paramiko.Transport._preferred_kex
    _kex_info: ClassVar[dict[str, Any]] = dict(paramiko.Transport._kex_info)
    if _CURVE not in _kex_info and _CURVE_OF_LIBSSH in _kex_info:
        _place = _preferred_kex.index(_CURVE_OF_LIBSSH)
        _preferred_kex = (*_preferred_kex[:_place], _CURVE, *_preferred_kex[_place:])
        _kex_info[_CURVE] = _kex_info[_CURVE_OF_LIBSSH]
    # Masks the server's text and makes it printable.
    words: Callable[[bytes, int], str] = staticmethod(printable)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        read, bounds = self.packetizer.read_message, Bounds()

        def read_bounded() -> tuple[int, Any]:
            kind, message = read()
            bounds.check(kind, message.asbytes())
            return kind, message

        self.packetizer.read_message = read_bounded

    def _check_banner(self) -> None:
        """Checks the identification string in remote_version, which the check has read before."""
        # The check has already verified that it has only digits and points.
        protocol = self.remote_version.split("-")[1]
        if protocol not in ("1.99", "2.0"):
            raise paramiko.SSHException(f"Incompatible version ({protocol} instead of 2.0)")

    def auth_none(self, username: bytes) -> Sequence[str]:
        return self._attempt(lambda handler, event: handler.auth_none(username, event))

    def auth_publickey(self, username: bytes, key: paramiko.PKey) -> Sequence[str]:
        return self._attempt(lambda handler, event: handler.auth_publickey(username, key, event))

    def auth_password(self, username: bytes, password: bytes) -> Sequence[str]:
        return self._attempt(lambda handler, event: handler.auth_password(username, password, event))

    def auth_interactive(self, username: bytes, answer: Callable[..., list[bytes]]) -> Sequence[str]:
        return self._attempt(lambda handler, event: handler.auth_interactive(username, answer, event))

    def _attempt(self, ask: Callable[[Any, threading.Event], None]) -> Sequence[str]:
        """Returns the methods that the server requires in addition, () on success; raises as paramiko's methods do."""
        if self.auth_handler is None:
            self.auth_handler = _Attempts(self)
        event = threading.Event()
        ask(self.auth_handler, event)
        left: Sequence[str] = self.auth_handler.wait_for_response(event)
        return left

    def _parse_disconnect(self, message: Any) -> None:
        message.get_int()
        self.farewell = self.words(message.get_string(), _SHOWN)


class _Attempts(Questions):
    """The handler of all login attempts of one connection."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._has_asked = False

    def _request_auth(self) -> None:
        if not self._has_asked:
            self._has_asked = True
            super()._request_auth()
            return
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        # Simulates the server's answer to a repeated service request.
        self._parse_service_accept(accepted)

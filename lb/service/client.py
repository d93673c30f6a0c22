"""The client of the control socket; blocking."""

from __future__ import annotations

# _socket instead of socket, whose import takes as long as that of all modules of noidlb that a command needs.
import _socket
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TypeAlias

from ..errors import GuardError
from .protocol import Answer, Request, RequestError

# The status of 5,000 farms is 10 MB.
_MAX_ANSWER = 256 << 20
_PIECE = 1 << 18
# Seconds: the kernel is slow with thousands of farms, and conntrack with a million flows.
_PATIENCE = 150.0

Where: TypeAlias = str | os.PathLike[str]


class NoGuardian(GuardError):
    """No process listens on the socket: no guardian runs, or it was killed and left its socket."""


def ask(path: Where, request: Request, *, timeout: float = _PATIENCE) -> Answer | None:
    """Returns the guardian's answer, None when no guardian runs; raises GuardError, and RequestError for a refusal."""
    try:
        with _connected(path, timeout) as connection:
            _send(connection, request)
            return next(_answers(connection, path))
    except NoGuardian:
        return None


def follow(path: Where, request: Request) -> Iterator[Answer]:
    """Yields the answer, then each event until the guardian ends; raises NoGuardian, GuardError or RequestError."""
    with _connected(path, _PATIENCE) as connection:
        _send(connection, {**request, "follow": True})
        for answer in _answers(connection, path):
            yield answer
            # No timeout from here on, because hours may pass between two events.
            connection.settimeout(None)


def require_nobody(path: Where) -> None:
    """Raises GuardError when a guardian runs whose socket is not at path."""
    # Imported here because it is needed only when no guardian answers at the path.
    from ..guardian.lock import holder

    if found := holder():
        raise GuardError(f"a guardian watches this table ({found}), but not at {path}: --socket names its socket")


@contextmanager
def _connected(path: Where, timeout: float) -> Iterator[_socket.socket]:
    with closing(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NoGuardian(f"no guardian runs: no process listens at {path}") from None
        except OSError as error:
            # Python's own complaint about a path that is too long has no strerror.
            why = error.strerror or str(error)
            raise GuardError(f"the guardian cannot be spoken to at {path}: {why}") from None
        try:
            yield connection
        except TimeoutError:
            raise GuardError(f"the guardian at {path} does not answer") from None
        except OSError as error:
            raise GuardError(f"the guardian at {path} hung up: {error.strerror}") from None


def _send(connection: _socket.socket, request: Request) -> None:
    # A guardian with too many clients says so, and closes the connection, before it has read anything.
    with suppress(ConnectionError):
        connection.sendall(json.dumps(request, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")


def _answers(connection: _socket.socket, path: Where) -> Iterator[Answer]:
    """Yields the answer and later lines until the guardian ends; GuardError if that is before or within an answer."""
    begun = bytearray()
    is_answered = False
    while data := connection.recv(_PIECE):
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield _checked(bytes(begun + line), path)
            begun.clear()
            is_answered = True
        begun += rest
        if len(begun) > _MAX_ANSWER:
            raise GuardError(f"what answers at {path} is no guardian")
    if begun or not is_answered:
        raise GuardError(f"the guardian at {path} ended before it had answered")


def _checked(line: bytes, path: Where) -> Answer:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise GuardError(f"what answers at {path} is no guardian")
    if answer.get("ok") is False:
        raise RequestError(str(answer.get("error")), 2 if answer.get("code") == 2 else 3)
    return answer

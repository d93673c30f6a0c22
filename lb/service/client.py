"""The client of the control socket; blocking."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import TypeAlias

from ..errors import GuardError
from .protocol import Answer, Request, RequestError

# The status of 5,000 farms is 10 MB.
_MAX_ANSWER = 256 << 20
# The kernel may take its time with thousands of farms, and conntrack with a million flows.
_PATIENCE = 150.0

Where: TypeAlias = str | os.PathLike[str]


class NoGuardian(GuardError):
    """No process listens on the socket: no guardian runs, or it was killed and left its socket."""


def ask(path: Where, request: Request, *, timeout: float = _PATIENCE) -> Answer | None:
    """Returns the guardian's answer, None when no guardian runs; raises GuardError, and RequestError for a refusal."""
    try:
        with _connected(path, timeout) as connection, connection.makefile("rb") as answers:
            return _exchange(connection, answers, path, request)
    except NoGuardian:
        return None


def follow(path: Where, request: Request) -> Iterator[Answer]:
    """Yields the answer, then each event until the guardian ends; raises NoGuardian, GuardError or RequestError."""
    with _connected(path, _PATIENCE) as connection, connection.makefile("rb") as answers:
        yield _exchange(connection, answers, path, {**request, "follow": True})
        # Events may be far apart.
        connection.settimeout(None)
        while line := answers.readline(_MAX_ANSWER):
            yield _checked(line, path)


def require_nobody(path: Where) -> None:
    """Raises GuardError when a guardian runs whose socket is not at path."""
    # Only when no guardian answers at the path.
    from ..guardian.lock import holder

    if found := holder():
        raise GuardError(f"a guardian watches this table ({found}), but not at {path}: --socket names its socket")


@contextmanager
def _connected(path: Where, timeout: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NoGuardian(f"no guardian runs: no process listens at {path}") from None
        except OSError as error:
            # Python's own complaint about a path that is too long has no strerror.
            why = error.strerror or str(error)
            raise GuardError(f"the guardian cannot be spoken to at {path}: {why}") from None
        yield connection


def _exchange(connection: socket.socket, answers: BufferedIOBase, path: Where, request: Request) -> Answer:
    try:
        connection.sendall(json.dumps(request, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
        line = answers.readline(_MAX_ANSWER)
    except TimeoutError:
        raise GuardError(f"the guardian at {path} does not answer") from None
    except OSError as error:
        raise GuardError(f"the guardian at {path} hung up: {error.strerror}") from None
    return _checked(line, path)


def _checked(line: bytes, path: Where) -> Answer:
    if not line.endswith(b"\n"):
        raise GuardError(f"the guardian at {path} ended before it had answered")
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise GuardError(f"what answers at {path} is no guardian")
    if answer.get("ok") is False:
        raise RequestError(str(answer.get("error")), 2 if answer.get("code") == 2 else 3)
    return answer

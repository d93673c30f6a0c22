"""The protocol of the control socket: a request is one line of JSON, and so is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from noidchecks.errors import Portable

from ..config.load import MAX_SIZE
from ..errors import LbError
from .state import DEFAULT_FOLDER

DEFAULT_SOCKET = "/run/noidlb/control"
# The longest request holds a configuration of 16 MiB, of which JSON escapes quotes and ends of lines.
MAX_REQUEST = 2 * MAX_SIZE + 1024

Request: TypeAlias = Mapping[str, object]
Answer: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that is encoded already: one line of JSON, in pieces."""

    pieces: Sequence[bytes]


class RequestError(LbError, Portable, ValueError):
    """A request that the guardian refuses: one sentence, and the exit code of the command."""

    def __init__(self, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.exit_code = code


def socket_path(folder: Path, given: str | None = None) -> Path:
    """Returns the path of the control socket of the guardian with this state folder."""
    if given is not None:
        return Path(given)
    # Another state folder means several guardians, one in each network namespace.
    return Path(DEFAULT_SOCKET) if folder == Path(DEFAULT_FOLDER) else folder / "control"

"""The protocol of the control socket: a request is one line of JSON, and so is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from noidchecks.errors import Portable

from ..errors import LbError

Request: TypeAlias = Mapping[str, object]
Answer: TypeAlias = dict[str, Any]


class Written(NamedTuple):
    """An answer that is encoded already: one line of JSON, in pieces."""

    pieces: Sequence[bytes]


class RequestError(LbError, Portable, ValueError):
    """A request that the guardian refuses: one sentence, and the exit code of the command."""

    def __init__(self, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.exit_code = code

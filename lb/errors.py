"""The errors that end a command; those of a configuration are collected and raised as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from noidchecks.errors import Portable

# The name of a farm may contain dots; no key of a farm does. Not compiled, because most commands never match it.
_FARM = r"farms\.(.*?)(?:\.(?:backends|guardian)\b.*|\.[a-z-]+(?:\[[0-9]+\])?)?"


class LbError(Exception):
    """An error whose message is one sentence for the operator; a command ends with its exit code."""

    exit_code = 2


class GuardError(LbError, RuntimeError):
    """The guardian runs already, does not run, or does not answer."""


class FarmError(LbError, Portable, ValueError):
    """An invalid configuration: path names the value, message says what is allowed.

    backend is the name of the backend at the path, or ""; where is the path with that name. others are the errors that
    were found together with this one. partial has the items of a list that could be read, by position, or is None.
    """

    exit_code = 3

    def __init__(self, path: str, message: str, *, backend: str = "", others: Sequence[FarmError] = ()) -> None:
        self.where = f"{path} (backend {backend})" if backend else path
        super().__init__(f"{self.where}: {message}" if path else message)
        self.path = path
        self.message = message
        self.backend = backend
        self.others = tuple(others)
        self.partial: Mapping[int, object] | None = None

    @property
    def all(self) -> tuple[FarmError, ...]:
        """This error, and those that were found together with it."""
        return self, *self.others

    @property
    def farm(self) -> str:
        """The name of the farm at the path, or ""."""
        found = re.fullmatch(_FARM, self.path)
        return found[1] if found else ""

    def to_document(self) -> dict[str, str]:
        """Returns the error as a JSON object, without others."""
        return {"path": self.path, "farm": self.farm, "backend": self.backend, "message": self.message}


class Errors:
    """Collects the errors that are raised in its with blocks, and those that are added."""

    def __init__(self) -> None:
        self.found: list[FarmError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, FarmError):
            self.found += error.all
            return True
        return False

    def add(self, error: FarmError) -> None:
        """Adds an error, and those that were found together with it."""
        self.found += error.all

    def check(self) -> None:
        """Raises all errors as one; returns when there are none."""
        if self.found:
            raise joined(self.found)


def joined(errors: Sequence[FarmError]) -> FarmError:
    """Returns the first error with the rest as its others, and removes their tracebacks.

    The frames of a traceback refer to the errors: a guardian would keep such reference cycles long after it has refused
    a file.
    """
    for one in errors:
        one.__traceback__ = one.__context__ = None
    first, *rest = errors
    return FarmError(first.path, first.message, backend=first.backend, others=rest)


def require(holds: bool, path: str, message: str) -> None:
    """Raises FarmError unless it holds."""
    if not holds:
        raise FarmError(path, message)

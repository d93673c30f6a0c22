"""The errors that end a command, and what is wrong with a configuration."""

from __future__ import annotations

from noidchecks.errors import Portable


class LbError(Exception):
    """An error whose message is one sentence for the operator; a command ends with its exit code."""

    exit_code = 2


class FarmError(LbError, Portable, ValueError):
    """A farm that cannot be: path names the value in the configuration, the message says what is allowed."""

    exit_code = 3

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


def require(holds: bool, path: str, message: str) -> None:
    """Raises FarmError unless it holds."""
    if not holds:
        raise FarmError(path, message)

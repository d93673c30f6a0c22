"""What is wrong with a configuration, and where."""

from __future__ import annotations

from noidchecks.errors import Portable


class FarmError(Portable, ValueError):
    """A farm that cannot be: path names the value in the configuration, the message says what is allowed."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


def require(holds: bool, path: str, message: str) -> None:
    """Raises FarmError unless it holds."""
    if not holds:
        raise FarmError(path, message)

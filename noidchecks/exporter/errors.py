"""The errors of the exporter."""

from __future__ import annotations

from ..errors import Portable, UsageError


class RequestError(Portable, ValueError):
    """An invalid or refused request, which is answered with one sentence and an HTTP status of 400 or more."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ListenError(UsageError):
    """An address that cannot be listened on, perhaps because the machine has not configured it yet."""


class ConfigurationError(UsageError):
    """The modules file or the web configuration file is invalid; the message is one sentence with the place."""

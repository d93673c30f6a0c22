"""Why the exporter does not do what it was asked for."""

from __future__ import annotations

from ..errors import Portable, UsageError


class RequestError(Portable, ValueError):
    """A request that is answered with one sentence and an HTTP status of 400 or more."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ListenError(UsageError):
    """An address that cannot be listened on now, but perhaps soon: the machine has not brought it up yet."""


class ConfigurationError(UsageError):
    """The modules file or the web configuration file is wrong; the message is one sentence that names the place."""

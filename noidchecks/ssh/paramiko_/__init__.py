"""The only import of paramiko, whose warnings and log are kept off standard error."""

from __future__ import annotations

import logging
import warnings

from ...errors import LocalError

# Older versions have no strict key exchange, and other private methods than the ones used here.
OLDEST = "3.5"

with warnings.catch_warnings():
    # Deprecation warnings of paramiko's dependencies must not appear on standard error.
    warnings.simplefilter("ignore")
    try:
        import paramiko as paramiko
    except ModuleNotFoundError as error:
        raise LocalError(f"this check needs paramiko {OLDEST} or later, and {error.name} is not installed") from error


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2] if number.isdecimal())


if _release(paramiko.__version__) < _release(OLDEST):
    raise LocalError(f"this check needs paramiko {OLDEST} or later, and {paramiko.__version__} is installed")

# Without a handler, logging prints paramiko's tracebacks on standard error. A program that configures logging still
# gets them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

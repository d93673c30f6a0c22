"""Validates the versions, fingerprints and patterns of the settings, and matches patterns."""

from __future__ import annotations

from ..errors import UsageError
from ..status.text import printable

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_VERSION_CHARS = frozenset("0123456789.p")


def is_version(text: str) -> bool:
    """Tells whether the whole text is a version such as 9.6 or 9.6p1."""
    # version_numbers() finds a version within other text; here the whole text must be one.
    numbers = text.replace("p", ".").split(".")
    return _VERSION_CHARS.issuperset(text) and text.count("p") <= 1 and all(numbers) and len(text) <= 100


def is_fingerprint(text: str) -> bool:
    """Tells whether the text is the SHA-256 of a key as `ssh-keygen -l` prints it."""
    digest = text.removeprefix("SHA256:")
    return digest != text and len(digest) == 43 and _BASE64.issuperset(digest)


def validate_pattern(pattern: str) -> None:
    """Raises UsageError for an invalid regular expression, or one that cannot be searched in bounded time."""
    import re

    from .pattern import Refused, read

    try:
        read(pattern)
    except Refused as refused:
        raise UsageError(f"Version pattern {refused}") from None
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"Version pattern is no regular expression: {printable(str(error))}") from None


def matches(pattern: str, text: str) -> bool:
    """Tells whether the pattern is found in the text."""
    # Imported here because re takes longer than the rest of a check.
    from .pattern import is_found, read

    return is_found(read(pattern), text)

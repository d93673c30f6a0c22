"""What the settings ask of the versions in an identification string, and whether the settings make sense."""

from __future__ import annotations

from ..errors import UsageError
from ..status.text import printable
from .wire import version_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .probe import SshProbe
    from .wire import Identification

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_VERSION_CHARS = frozenset("0123456789.p")


def complaint(probe: SshProbe, found: Identification) -> str:
    """Returns what is wrong with the versions, "" for nothing; the C plugin's order, then ours."""
    software, version = _text(found.software), _text(found.version)
    if probe.remote_version is not None and (
        not probe.remote_version or probe.remote_version not in (software, version)
    ):
        return f"version mismatch, expected '{printable(probe.remote_version)}'"
    if probe.remote_protocol is not None and probe.remote_protocol != _text(found.protocol):
        return f"protocol version mismatch, expected '{printable(probe.remote_protocol)}'"
    if probe.version_pattern and not _matches(probe.version_pattern, version):
        return f"version mismatch, expected a match of '{printable(probe.version_pattern)}'"
    if probe.min_version:
        numbers = version_numbers(software)
        if not numbers:
            return f"has no version number, expected at least '{probe.min_version}'"
        if numbers < version_numbers(probe.min_version):
            return f"version mismatch, expected at least '{probe.min_version}'"
    return ""


def _text(raw: bytes) -> str:
    # As Python reads the words of a command line, so that they compare equal whatever their bytes.
    return raw.decode("utf-8", "surrogateescape")


def is_version(text: str) -> bool:
    """Tells whether the text is a version, as 9.6 or 9.6p1, and nothing else."""
    # version_numbers() finds a version in other text; here it must be all of the text.
    numbers = text.replace("p", ".").split(".")
    return _VERSION_CHARS.issuperset(text) and text.count("p") <= 1 and all(numbers) and len(text) <= 100


def is_fingerprint(text: str) -> bool:
    """Tells whether the text is the SHA-256 of a key as `ssh-keygen -l` prints it."""
    digest = text.removeprefix("SHA256:")
    return digest != text and len(digest) == 43 and _BASE64.issuperset(digest)


def validate_pattern(pattern: str) -> None:
    """UsageError for what is no regular expression."""
    import re

    try:
        _matches(pattern, "")
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"Version pattern is no regular expression: {printable(str(error))}") from None


def _matches(pattern: str, text: str) -> bool:
    # Here and not above, because re costs more than the rest of a check.
    import re
    import warnings

    with warnings.catch_warnings():
        # A future syntax of re is no concern of who reads the status line.
        warnings.simplefilter("ignore")
        return re.search(pattern, text) is not None

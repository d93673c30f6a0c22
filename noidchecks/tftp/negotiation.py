"""Validates the options that a server grants (RFC 2347, 2348, 2349, 7440)."""

from __future__ import annotations

from .wire import OPTION_LIMITS, broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .wire import OptionAck

BLKSIZE, TSIZE, WINDOWSIZE = "blksize", "tsize", "windowsize"
# The most digits of a value; 20 are enough for the size of any file.
_DIGITS = 20


def granted(asked: Mapping[str, int], packet: OptionAck) -> dict[str, int]:
    """Returns the granted options by name; PeerError for one that was not requested or has an invalid value."""
    options: dict[str, int] = {}
    wanted = " ".join(asked) or "DATA, as no option was asked for"
    for raw_name, raw_value in packet.options:
        # RFC 2347: option names are not case-sensitive.
        name = raw_name.decode("ascii", "backslashreplace").lower()
        if asked and BLKSIZE not in asked and (name, raw_value) == (BLKSIZE, b"512"):
            # tftpy answers any option with the block size too; this is the one without the option, and clients go on.
            continue
        if name not in asked:
            raise broken("OACK", wanted, f"{name!r}, which was not asked for"[:80])
        if name in options:
            raise broken("OACK", f"{name} once", f"{name} twice")
        options[name] = _value(name, raw_value, asked[name])
    if not packet.options:
        raise broken("OACK", wanted, "no option")
    return options


def _value(name: str, raw: bytes, asked: int) -> int:
    low, high = 0, 10**_DIGITS
    if name in OPTION_LIMITS:
        low, high = OPTION_LIMITS[name][0], asked
    expected = str(low) if low == high else f"{low} to {high}"
    if name == TSIZE:
        expected = "the size in bytes"
    if not raw.isdigit() or len(raw) > _DIGITS:
        raise broken(name, expected, raw)
    value = int(raw)
    if not low <= value <= high:
        raise broken(name, expected, str(value))
    return value

"""The TLS options of check_ftp that the C plugin does not have, and the parsing of their values."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.getopt import Option
from ..status.text import printable


def _version(value: str, _title: str) -> str:
    from ..dialogue.certificate import require_version

    require_version(value or "nothing")
    return value


def _pin(value: str, _title: str) -> str:
    from ..dialogue.certificate import pin_of

    return pin_of(value)


def _readable(path: str, _title: str) -> str:
    from ..dialogue.certificate import MOST_AUTHORITIES
    from ..regular import require_regular

    try:
        require_regular(path, MOST_AUTHORITIES)
    except OSError as error:
        raise UsageError(f"Cannot read CA file {printable(path)}: {error.strerror}") from None
    return path


TLS_ROWS = (
    Option("starttls", extension=True, help="TLS after AUTH TLS (explicit, RFC 4217)"),
    Option(
        "verify", extension=True, help="Verify the chain of the certificate and its name; means -S without --starttls",
        field="verify",
    ),
    Option(
        "ca-file", extension=True, metavar="FILE", help="Authorities to verify with (PEM), in place of the system's",
        field="ca_file", read=_readable,
    ),
    Option(
        "tls-min", extension=True, metavar="VERSION",
        help="Oldest version of TLS that will do, 1.2 or 1.3; means -S without --starttls",
        field="tls_min", read=_version,
    ),
    Option(
        "tls-pin", extension=True, metavar="HEX",
        help="SHA-256 of the server's certificate or of its public key; means -S without --starttls", repeatable=True,
        field="tls_pins", read=_pin,
    ),
)  # fmt: skip

"""What a check of FTP may be told, and what of that contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import FtpProbe, UsageError


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"tls_min": "1.1", "tls": "implicit"}, "TLS version must be 1.2 or 1.3, not '1.1'"),
        ({"tls_min": "1.2"}, "A version of TLS can only be demanded with TLS"),
        ({"tls_pins": ("x",), "tls": "explicit"}, "TLS pin must be a SHA-256, 64 hexadecimal digits, not 'x'"),
        ({"tls_pins": ("0" * 64,)}, "A certificate can only be checked with TLS"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        FtpProbe("h", **settings)

"""What may be demanded of TLS."""

from __future__ import annotations

import pytest

from noidchecks import UsageError
from noidchecks.dialogue.tls import TlsSettings


def test_tls_settings_are_refused_alike() -> None:
    pin = "ab" * 32
    assert TlsSettings(pins=(pin.upper(),)).pins == (pin,)
    with pytest.raises(UsageError, match="TLS pin must be"):
        TlsSettings(pins=("g" * 64,))
    with pytest.raises(UsageError, match="TLS version must be"):
        TlsSettings(minimum="1")

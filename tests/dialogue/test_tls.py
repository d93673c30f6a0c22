"""What may be demanded of TLS, and a connection that is lost within the handshake."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from noidchecks import NotConnected, UsageError
from noidchecks.dialogue.operations import Send
from noidchecks.dialogue.tls import TlsLayer, TlsSettings
from noidchecks.errors import TlsError
from tests.support.certificates import Chain


def test_tls_settings_are_refused_alike() -> None:
    pin = "ab" * 32
    assert TlsSettings(pins=(pin.upper(),)).pins == (pin,)
    with pytest.raises(UsageError, match="TLS pin must be"):
        TlsSettings(pins=("g" * 64,))
    with pytest.raises(UsageError, match="TLS version must be"):
        TlsSettings(minimum="1")


@pytest.mark.parametrize("at", [1, 2])
def test_a_connection_that_is_lost_at_any_step_of_the_handshake_is_an_error_of_tls(tmp_path: Path, at: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Chain(tmp_path, 90, 90).pem)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    handshake = TlsLayer(TlsSettings()).handshake(None)  # type: ignore[arg-type]  # nothing is sent here
    operation: Any = next(handshake)
    sent = 0
    while not isinstance(operation, Send) or (sent := sent + 1) < at:
        if isinstance(operation, Send):
            incoming.write(operation.data)
            with pytest.raises(ssl.SSLWantReadError):
                server.do_handshake()
            operation = handshake.send(None)
        else:
            operation = handshake.send(outgoing.read())
    with pytest.raises(TlsError, match=r"Cannot make SSL connection\. \(Connection reset by peer\)"):
        handshake.throw(NotConnected("Connection reset by peer", 104))

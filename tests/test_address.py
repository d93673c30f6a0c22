"""Tests of noidchecks.address."""

from __future__ import annotations

import pytest

from noidchecks.address import AF_INET, AF_INET6, AF_UNIX, UNIX_PATH_LIMIT, Address


@pytest.mark.parametrize(
    ("address", "text", "host", "port"),
    [
        (Address(AF_INET, ("127.0.0.1", 21)), "127.0.0.1:21", "127.0.0.1", 21),
        (Address(AF_INET6, ("::1", 21, 0, 0)), "[::1]:21", "::1", 21),
        (Address(AF_UNIX, "/run/x.sock"), "/run/x.sock", "/run/x.sock", 0),
    ],
)
def test_an_address_has_host_and_port(address: Address, text: str, host: str, port: int) -> None:
    assert (str(address), address.host, address.port) == (text, host, port)


def test_the_path_limit_is_that_of_the_kernel() -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(FileNotFoundError):
            sock.connect("/" + "x" * (UNIX_PATH_LIMIT - 1))
        with pytest.raises(OSError, match="path too long"):
            sock.connect("/" + "x" * UNIX_PATH_LIMIT)

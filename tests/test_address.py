"""Tests of noidchecks.address."""

from __future__ import annotations

import pytest

from noidchecks.address import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    AF_UNSPEC,
    DATAGRAM,
    STREAM,
    UNIX_PATH_LIMIT,
    Address,
    literal,
    source_family,
)


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


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
def test_a_literal_is_one_address(kind: int) -> None:
    assert literal("127.0.0.1", 69, AF_UNSPEC, kind) == (Address(AF_INET, ("127.0.0.1", 69)),)
    assert literal("::1", 69, AF_INET6, kind) == (Address(AF_INET6, ("::1", 69, 0, 0)),)


@pytest.mark.parametrize("name", ["localhost", "nosuch.invalid", "bücher.example", "1.2.3.4.5", "a_b", "x" * 300])
def test_a_name_is_no_literal(name: str) -> None:
    assert literal(name, 21, AF_UNSPEC, STREAM) is None


@pytest.mark.parametrize("text", ["", " ", "127.0.0.1 ", "[::1]", "::1::", "fe80::1%nosuch", "a\0b", "a:b"])
def test_what_can_be_neither_literal_nor_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        literal(text, 21, AF_UNSPEC, STREAM)


@pytest.mark.parametrize(("text", "family"), [("127.0.0.1", AF_INET6), ("::1", AF_INET)])
def test_a_literal_of_the_other_family_is_refused(text: str, family: int) -> None:
    with pytest.raises(ValueError, match=f"{text} has no address of the wanted family"):
        literal(text, 21, family, STREAM)


def test_the_path_limit_is_that_of_the_kernel() -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(FileNotFoundError):
            sock.connect("/" + "x" * (UNIX_PATH_LIMIT - 1))
        with pytest.raises(OSError, match="path too long"):
            sock.connect("/" + "x" * UNIX_PATH_LIMIT)


@pytest.mark.parametrize(
    ("text", "family"), [("127.0.0.1", AF_INET), ("::", AF_INET6), ("2001:db8::1", AF_INET6), ("fe80::1%lo", AF_INET6)]
)
def test_a_source_is_a_literal_address(text: str, family: int) -> None:
    assert source_family(text) == family


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "[::1]", "1.2.3.4:5", "\0", "a\nb", "\udcff"])
def test_anything_else_is_no_source(text: str) -> None:
    with pytest.raises(ValueError, match="must be an IPv4 or IPv6 address") as caught:
        source_family(text)
    assert str(caught.value).isprintable()

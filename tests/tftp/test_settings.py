"""What a check of TFTP may be told, and what of that contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import Range, TftpProbe, UsageError
from noidchecks.address import AF_INET, AF_INET6


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": ""}, "Host must be a name or an address, not ''"),
        ({"host": "/run/tftp"}, "Host must be a name or an address, not '/run/tftp'"),
        ({"host": "a\0b"}, "host must not hold NUL"),
        ({"port": 0}, "Port must be a positive integer, at most 65535, not 0"),
        ({"port": 65536}, "Port must be a positive integer, at most 65535, not 65536"),
        ({"retries": -1}, "Retries must be 0 to 100, not -1"),
        ({"retries": 101}, "Retries must be 0 to 100, not 101"),
        ({"blksize": 7}, "Blksize must be 8 to 65464, not 7"),
        ({"blksize": 65465}, "Blksize must be 8 to 65464, not 65465"),
        ({"windowsize": 0}, "Windowsize must be 1 to 65535, not 0"),
        ({"windowsize": 65536}, "Windowsize must be 1 to 65535, not 65536"),
        ({"limit": 0}, "Maximum size must be at least 1 byte, not 0"),
        ({"mode": "mail"}, "Mode must be octet or netascii, not 'mail'"),
        ({"filename": "a\0blksize\x009"}, "filename must not hold NUL"),
        ({"filename": "a" * 504}, "File name is too long: the request has 513 bytes, at most 512 fit"),
        ({"filename": "a" * 500, "tsize": True}, "File name is too long: the request has 517 bytes, at most 512 fit"),
        ({"sha256": "ab"}, "SHA256 must be 64 hexadecimal digits, not 'ab'"),
        ({"sha256": "xy" * 32}, f"SHA256 must be 64 hexadecimal digits, not '{'xy' * 32}'"),
        ({"sha1": "ab" * 32}, f"SHA1 must be 40 hexadecimal digits, not '{'ab' * 32}'"),
        ({"size": Range(-5, -1)}, "Size must not be negative: -5:-1"),
        ({"filename": "", "size": Range(4, 4)}, "A size or a hash can only be checked with a file (-f)"),
        ({"filename": "", "sha1": "ab" * 20}, "A size or a hash can only be checked with a file (-f)"),
        ({"source": "eth0"}, "Source address must be an IPv4 or IPv6 address: eth0"),
        ({"source": "::1", "family": AF_INET}, "Source address ::1 is not of the address family asked for"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        TftpProbe(**({"host": "h", "filename": "f"} | settings))
    assert str(caught.value) == text


def test_longest_request_fits() -> None:
    assert len(TftpProbe("h", "a" * 503).request) == 512


def test_names_of_any_bytes_are_sent_as_they_are() -> None:
    assert TftpProbe("h", "\udcff\u00e9").request == b"\0\1\xff\xc3\xa9\0octet\0"


def test_value() -> None:
    probe = TftpProbe("h", "f", size=Range(4, 4))
    assert probe == TftpProbe("h", "f", size=Range(4, 4))
    assert hash(probe) == hash(probe.replace())
    assert probe.replace(source="::1", family=AF_INET6).family == AF_INET6
    with pytest.raises(UsageError):
        probe.replace(filename="")
    with pytest.raises(AttributeError):
        probe.port = 70

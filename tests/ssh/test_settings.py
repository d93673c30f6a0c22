"""What a check of SSH may be told, and what of that contradicts itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from noidchecks import (
    File,
    Login,
    SshProbe,
    UsageError,
)
from noidchecks.address import AF_INET, AF_INET6
from tests.support.ssh_logins import BOB


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": ""}, "Invalid hostname/address - "),
        ({"host": "::1", "family": AF_INET}, "Invalid hostname/address - ::1"),
        ({"host": "127.0.0.1", "family": AF_INET6}, "Invalid hostname/address - 127.0.0.1"),
        ({"host": "[::1]"}, "Invalid hostname/address - [::1]"),
        ({"host": "a\nb|c d"}, "Invalid hostname/address - a b c d"),
        ({"host": "/" + "x" * 107}, "Supplied path too long unix domain socket"),
        ({"host": "h", "port": 0}, "Port number must be a positive integer, at most 65535 - 0"),
        ({"host": "h", "port": 65536}, "Port number must be a positive integer, at most 65535 - 65536"),
        ({"host": "h", "version_pattern": "("}, "Version pattern is no regular expression: missing ), "),
        ({"host": "h", "version_pattern": "a{99999999999}"}, "Version pattern is no regular expression: "),
        ({"host": "h", "min_version": "new"}, "Minimum version must be numbers with dots, as 9.6 or 9.6p1, not new"),
        ({"host": "h", "min_version": "9."}, "Minimum version must be numbers"),
        ({"host": "h", "min_version": "9p"}, "Minimum version must be numbers"),
        ({"host": "h", "min_version": "9p1p2"}, "Minimum version must be numbers"),
        ({"host": "h", "min_version": "p1"}, "Minimum version must be numbers"),
        ({"host": "h", "min_version": "\u0663"}, "Minimum version must be numbers"),
        ({"host": "h", "min_version": "OpenSSH_9.6"}, "Minimum version must be numbers"),
    ],
)
def test_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        SshProbe(**settings)  # type: ignore[arg-type]


def test_probe_is_a_frozen_value() -> None:
    probe = SshProbe("h", min_version="9.6")
    assert probe == SshProbe("h", min_version="9.6")
    assert hash(probe) == hash(SshProbe("h", min_version="9.6"))
    assert probe.replace(port=2).port == 2
    with pytest.raises(UsageError):
        probe.replace(port=0)
    with pytest.raises(AttributeError):
        probe.port = 3


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sftp": True}, "An SFTP session needs a user to log in as"),
        ({"get": File("x")}, "An SFTP session needs a user to log in as"),
        ({"agent": True}, "An identity or an agent needs a user to log in as"),
        ({"login": Login("bob", "")}, "User bob needs an identity, an agent or a password"),
        ({"login": BOB, "put": "a\nb"}, "Directory must not hold line ends or NUL"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        SshProbe("127.0.0.1", **settings)

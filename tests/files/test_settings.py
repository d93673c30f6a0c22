"""What a check that logs in may be told, and what of that contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import File, Listing, Login, UsageError


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"user": ""}, "User name must not be empty"),
        ({"user": "a\nb"}, "User name must not hold line ends or NUL"),
        ({"user": "a", "password": "secret\r"}, "Password must not hold line ends or NUL"),
    ],
)
def test_a_login_that_no_server_can_be_sent(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        Login(**settings)
    assert "secret" not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Login("bob", "secret"))
    assert Login("bob", "secret") != Login("bob", "other")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"folder": "a\rb"}, "Directory must not hold line ends or NUL"),
        ({"min_files": -1}, "Numbers of files must not be negative"),
        ({"min_files": 3, "max_files": 2}, "At least 3 files cannot be at most 2"),
    ],
)
def test_a_listing_that_nothing_can_be(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Listing(**settings)


@pytest.mark.parametrize(("settings", "counts"), [({}, False), ({"min_files": 0}, True), ({"max_files": 3}, True)])
def test_a_listing_that_counts(settings: dict[str, Any], counts: bool) -> None:
    assert Listing("x", **settings).counts is counts


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"name": ""}, "File name must not be empty"),
        ({"name": "a\n"}, "File name must not hold line ends or NUL"),
        ({"sha256": "ab"}, "SHA-256 must be 64 hexadecimal digits"),
        ({"sha256": "g" * 64}, "SHA-256 must be 64 hexadecimal digits"),
        ({"max_age": -1.0}, "Age must be seconds, 0 or more"),
        ({"max_age": float("nan")}, "Age must be seconds, 0 or more"),
        ({"limit": 0}, "Limit must be at least 1 byte, not 0"),
    ],
)
def test_a_file_that_nothing_can_be(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        File(**{"name": "f"} | settings)


def test_a_digest_is_the_same_in_capitals() -> None:
    assert File("f", sha256="AB" * 32) == File("f", sha256="ab" * 32)

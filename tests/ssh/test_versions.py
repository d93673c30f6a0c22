"""Which texts are versions, fingerprints and patterns."""

from __future__ import annotations

import pytest

from noidchecks import UsageError
from noidchecks.ssh.versions import is_fingerprint, is_version, matches, validate_pattern


@pytest.mark.parametrize("text", ["9", "9.6", "9.6p1", "0.0.0", "2024.86", "1" * 100])
def test_versions(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize(
    "text", ["", ".", "9.", ".9", "p1", "9p", "9p1p2", "9..6", "9.6-rc1", "v9", " 9", "9\n", "٣", "1" * 101]
)
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"SHA256:{'A' * 43}", True),
        (f"SHA256:{'+/09az' * 7}A", True),
        (f"SHA256:{'A' * 42}", False),
        (f"SHA256:{'A' * 43}=", False),
        (f"SHA256:{'A' * 42}-", False),
        ("A" * 43, False),
        (f"MD5:{'A' * 43}", False),
        ("", False),
    ],
)
def test_fingerprints(text: str, expected: bool) -> None:
    assert is_fingerprint(text) is expected


@pytest.mark.parametrize("pattern", ["(", "[", "a{99999999999}", "(?P<1>x)", "*"])
def test_what_is_no_regular_expression_is_a_usage_error(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"^Version pattern is no regular expression: "):
        validate_pattern(pattern)


def test_a_pattern_whose_search_may_not_end_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"^Version pattern must have no backreferences, "):
        validate_pattern(r"(a)\1")
    with pytest.raises(UsageError, match=r"^Version pattern is nested more than 100 levels deep$"):
        validate_pattern("(" * 120 + ")" * 120)


def test_a_pattern_is_found_anywhere_and_warns_of_nothing() -> None:
    validate_pattern("[[x]")
    assert matches("SSH_9", "OpenSSH_9.2p1")
    assert not matches("^SSH_9", "OpenSSH_9.2p1")

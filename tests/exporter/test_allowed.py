from __future__ import annotations

import pytest

from noidchecks.exporter.allowed import LOOPBACK, AllowList
from noidchecks.exporter.errors import ConfigurationError


def test_networks_and_addresses() -> None:
    allowed = AllowList(("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))
    for address in ("10.1.2.3", "192.0.2.7", "2001:db8::1", "2001:db8::1%eth0", "::ffff:10.0.0.1"):
        assert allowed.has_address(address), address
    for address in ("11.0.0.1", "192.0.2.8", "2001:db9::1", "::1", "::ffff:11.0.0.1", "ftp.example.net", ""):
        assert not allowed.has_address(address), address


def test_an_ipv4_address_inside_an_ipv6_one_is_judged_as_what_it_is() -> None:
    assert not AllowList(("::/0",)).has_address("::ffff:10.0.0.1")
    assert AllowList(("::/0",)).has_address("2001:db8::1")


def test_patterns_of_names() -> None:
    allowed = AllowList(("*.example.net", "ftp1.example.com", "web-*"))
    for name in ("a.example.net", "A.B.Example.NET", "a.example.net.", "ftp1.example.com", "web-12"):
        assert allowed.has_name(name), name
    for name in (
        "example.net",
        "a.example.net.evil.org",
        "xexample.net",
        "ftp10example.com",
        "ftp1.example.com.x",
        "web",
    ):
        assert not allowed.has_name(name), name
    assert not AllowList(("10.0.0.0/8",)).has_name("10.0.0.1")
    assert AllowList(("*",)).has_name("anything.at.all")


def test_without_a_list_only_loopback_may_be_probed() -> None:
    allowed = AllowList(LOOPBACK)
    assert allowed.has_address("127.0.0.1")
    assert allowed.has_address("::1")
    assert not allowed.has_address("10.0.0.1")
    assert not allowed.has_address("169.254.169.254")
    assert not allowed.has_name("localhost")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("10.0.0.1/8", "10.0.0.0/8 would be the network"),
        ("10.0.0.*", "no network"),
        ("10.0.0", "no network"),
        ("300.0.0.1", "no network"),
        ("10.0.0.0/33", "no network"),
        ("", "no network"),
        (".", "no network"),
        ("a b", "no network"),
        ("ftp://x", "no network"),
        ("a\nb", "no network"),
        ("[a-z].example.net", "no network"),
        ("-x", "no network"),
    ],
)
def test_a_wrong_entry_is_named(entry: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        AllowList((entry,))
    assert str(caught.value).isprintable()


def test_a_name_of_a_client_costs_no_time() -> None:
    # With backtracking this takes hours.
    assert not AllowList(("*a*a*a*a*a*a*a*a*b",)).has_name("a" * 63 + "." + "a" * 63 + "." + "a" * 63)


@pytest.mark.parametrize("entry", ["::ffff:10.0.0.0/104", "::ffff:10.0.0.1"])
def test_a_mapped_network_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="stands for IPv4 addresses"):
        AllowList((entry,))

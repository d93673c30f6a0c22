from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, strategies as st

from noidchecks import SshProbe, UsageError
from noidchecks.ssh import policy
from noidchecks.ssh.kexinit import Kexinit
from noidchecks.ssh.policy import counts, matches, violations

GOOD = Kexinit(
    kex_algorithms=("sntrup761x25519-sha512", "curve25519-sha256", "kex-strict-s-v00@openssh.com"),
    server_host_key_algorithms=("rsa-sha2-512", "ssh-ed25519"),
    encryption_algorithms_client_to_server=("aes256-ctr", "aes128-ctr"),
    encryption_algorithms_server_to_client=("aes256-ctr",),
    mac_algorithms_client_to_server=("hmac-sha2-256", "hmac-sha1"),
    mac_algorithms_server_to_client=("hmac-sha2-256", "hmac-sha1"),
    compression_algorithms_client_to_server=("none", "zlib@openssh.com"),
    compression_algorithms_server_to_client=("none", "zlib@openssh.com"),
    languages_client_to_server=("en",),
)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_patterns_match_as_in_a_shell(glob: str, name: str) -> None:
    assert matches(glob, name) == fnmatch.fnmatchcase(name, glob)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("aes128-ctr", ("offers forbidden cipher aes128-ctr",)),
        ("cipher:aes128-ctr", ("offers forbidden cipher aes128-ctr",)),
        ("kex:aes128-ctr", ()),
        ("*sha1", ("offers forbidden mac hmac-sha1",)),
        ("mac:*", ("offers forbidden mac hmac-sha2-256", "offers forbidden mac hmac-sha1")),
        ("compression:zlib*", ("offers forbidden compression zlib@openssh.com",)),
        ("hostkey:ssh-rsa", ()),
        ("AES128-CTR", ()),
        ("en", ()),
    ],
)
def test_forbid(pattern: str, expected: tuple[str, ...]) -> None:
    assert violations(GOOD, forbid=(pattern,)) == expected
    assert violations(GOOD, forbid=("x", pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "met"),
    [
        ("kex:sntrup*", True),
        ("sntrup*", True),
        ("kex:mlkem*", False),
        ("hostkey:ssh-ed25519", True),
        ("kex:ssh-ed25519", False),
        # Of two directions both must have it.
        ("aes256-ctr", True),
        ("aes128-ctr", False),
        ("cipher:aes128-ctr", False),
        ("cipher:aes*", True),
    ],
)
def test_require(pattern: str, met: bool) -> None:
    assert violations(GOOD, require=(pattern,)) == (() if met else (f"does not offer {pattern}",))


WEAK = [
    ("kex_algorithms", "diffie-hellman-group1-sha1", "kex"),
    ("kex_algorithms", "diffie-hellman-group14-sha1", "kex"),
    ("kex_algorithms", "diffie-hellman-group-exchange-sha1", "kex"),
    ("kex_algorithms", "rsa1024-sha1", "kex"),
    ("kex_algorithms", "gss-group1-sha1-toWM5Slw5Ew8Mqkay+al2g==", "kex"),
    ("server_host_key_algorithms", "ssh-rsa", "hostkey"),
    ("server_host_key_algorithms", "ssh-rsa-cert-v01@openssh.com", "hostkey"),
    ("server_host_key_algorithms", "ssh-dss", "hostkey"),
    ("encryption_algorithms_client_to_server", "3des-cbc", "cipher"),
    ("encryption_algorithms_server_to_client", "aes128-cbc", "cipher"),
    ("encryption_algorithms_server_to_client", "rijndael-cbc@lysator.liu.se", "cipher"),
    ("encryption_algorithms_server_to_client", "arcfour256", "cipher"),
    ("encryption_algorithms_server_to_client", "none", "cipher"),
    ("mac_algorithms_client_to_server", "hmac-md5", "mac"),
    ("mac_algorithms_client_to_server", "hmac-md5-96-etm@openssh.com", "mac"),
    ("mac_algorithms_client_to_server", "hmac-sha1-96", "mac"),
    ("mac_algorithms_client_to_server", "none", "mac"),
]


@pytest.mark.parametrize(("name", "algorithm", "kind"), WEAK)
def test_weak_algorithms_are_against_both_policies(name: str, algorithm: str, kind: str) -> None:
    offer = GOOD.replace(**{name: (*getattr(GOOD, name), algorithm)})
    for one in policy.POLICIES:
        assert violations(offer, policy=one) == (f"offers {kind} {algorithm}, against the {one} policy",)


def test_unknown_algorithms_are_against_the_modern_policy_alone() -> None:
    offer = GOOD.replace(compression_algorithms_server_to_client=("none", "zlib"))
    assert violations(offer, policy="modern") == ("offers compression zlib, against the modern policy",)
    assert violations(offer, policy="compatible") == ()


def test_what_is_modern_is_compatible() -> None:
    assert violations(GOOD, policy="modern") == ()
    for pattern in policy._MODERN:
        kind, _, name = pattern.partition(":")
        offer = Kexinit(**{policy.KINDS[kind][0]: (name,)})
        assert violations(offer, policy="modern") == violations(offer, policy="compatible") == ()


@pytest.mark.parametrize("name", ["ext-info-s", "kex-strict-s-v00@openssh.com", "kexguess2@matt.ucc.asn.au"])
def test_what_is_no_algorithm_is_against_no_policy(name: str) -> None:
    offer = GOOD.replace(kex_algorithms=("curve25519-sha256", name))
    assert violations(offer, policy="modern") == violations(offer, policy="compatible") == ()


def test_violations_are_in_the_order_of_the_options() -> None:
    offer = GOOD.replace(server_host_key_algorithms=("ssh-rsa",))
    assert violations(offer, policy="modern", forbid=("ssh-*",), require=("x",)) == (
        "offers forbidden hostkey ssh-rsa",
        "does not offer x",
        "offers hostkey ssh-rsa, against the modern policy",
    )


def test_counts_name_each_algorithm_once() -> None:
    assert counts(GOOD) == "3 kex, 2 hostkey, 2 cipher, 2 mac, 2 compression"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "x"}, "Policy must be one of modern, compatible: x"),
        (
            {"forbid": ("ciphers:x",)},
            "Kind of algorithm must be one of kex, hostkey, cipher, .*: ciphers:x",
        ),
        ({"require": (":x",)}, "Kind of algorithm must be one of"),
        ({"require": ("",)}, "Not the name of an algorithm"),
        ({"forbid": ("kex:",)}, "Not the name of an algorithm"),
        ({"forbid": ("a,b",)}, "Not the name of an algorithm, nor a pattern with \\* for one: a,b"),
        ({"forbid": ("a b",)}, "Not the name of an algorithm"),
        ({"forbid": ("a\n",)}, "Not the name of an algorithm"),
        ({"forbid": ("\u00e4",)}, "Not the name of an algorithm"),
    ],
)
def test_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        SshProbe("h", **settings)  # type: ignore[arg-type]

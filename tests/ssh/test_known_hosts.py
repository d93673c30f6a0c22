"""Files of known hosts, as sshd(8) describes them: what OpenSSH passes over is passed over."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from noidchecks import LocalError
from noidchecks.ssh import known_hosts
from noidchecks.ssh.known_hosts import KnownKeys, look_up, matches, read

# Made by ssh-keygen; the private halves are gone.
ED25519 = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPz3n8GNVPGb4n9aQy0gWRzvLh5vEj7EuUoZ8A2i1bZ4"


def fields(*parts: bytes) -> str:
    return base64.b64encode(b"".join(len(part).to_bytes(4) + part for part in parts)).decode()


def key(kind: str, *parts: bytes) -> bytes:
    return f"{kind} {fields(kind.encode(), *parts)}".encode()


def fingerprint(written: bytes) -> str:
    digest = hashlib.sha256(base64.b64decode(written.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


RSA = key("ssh-rsa", b"\1\0\1", b"\0" + b"\xc3" * 256)
ECDSA = key("ecdsa-sha2-nistp256", b"nistp256", b"\4" + b"\x11" * 64)
OTHER = key("ssh-ed25519", b"\x22" * 32)


def hashed(name: bytes, salt: bytes = b"0123456789abcdefghij") -> bytes:
    digest = hmac.digest(salt, name, "sha1")
    return b"|1|%b|%b" % (base64.b64encode(salt), base64.b64encode(digest))


def found(host: str, *lines: bytes, port: int = 22) -> KnownKeys:
    return look_up(lines, host, port)


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        (b"a.example", "a.example", 22),
        (b"A.Example", "a.example", 22),
        (b"a.example", "A.EXAMPLE", 22),
        (b"a.example", "a.example.", 22),
        (b"a.example.", "a.example", 22),
        (b"a.example.", "a.example.", 22),
        (b"b,a.example,c", "a.example", 22),
        (b"[a.example]:2222", "a.example", 2222),
        (b"[A.example]:2222", "a.EXAMPLE.", 2222),
        (b"[a.example.]:2222", "a.example", 2222),
        (b"[a.example]:22", "a.example", 22),
        (b"::1", "::1", 22),
        (b"[::1]:2222", "::1", 2222),
        (b"2001:db8::1", "2001:DB8:0:0::1", 22),
        (b"2001:DB8:0:0::1", "2001:db8::1", 22),
        (b"[2001:DB8:0:0::1]:2222", "2001:db8::1", 2222),
        (b"fe80::1%eth0", "fe80::1%eth0", 22),
        (b"*.example", "a.example", 22),
        (b"?.EXAMPLE", "a.example", 22),
        (b"*", "a.example", 2222),
        (b"[*.example]:2222", "a.example", 2222),
        (b"*.example,!b.example", "a.example", 22),
        (b"192.0.2.*", "192.0.2.7", 22),
        (hashed(b"a.example"), "A.example", 22),
        (hashed(b"A.example"), "A.example", 22),
        (hashed(b"[a.example]:2222"), "a.example", 2222),
        (hashed(b"a.example"), "a.example.", 22),
        (hashed(b"::1"), "::1", 22),
    ],
)
def test_the_names_of_a_host(line: bytes, host: str, port: int) -> None:
    known = found(host, line + b" " + ED25519, port=port)
    assert known == KnownKeys(("ssh-ed25519",), (fingerprint(ED25519),))


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        (b"a.example", "b.example", 22),
        (b"b.example", "a.example", 2222),
        (b"[a.example]:22", "a.example", 2222),
        (b"[a.example]:2222", "a.example", 22),
        (b"[a.example]:2222", "a.example", 2223),
        (b"*.example,!a.example", "a.example", 22),
        (b"!A.example,*.example", "a.example", 22),
        (b"!b.example", "a.example", 22),
        (b"?.example", "aa.example", 22),
        (b"a.example", "a.example.org", 22),
        (b"a", "a|b", 22),
        (hashed(b"a.example"), "b.example", 22),
        (b"|1|c2FsdA==|", "a.example", 22),
        (b"|1||", "a.example", 22),
        (b"|1|!|!", "a.example", 22),
        (b"|2|" + hashed(b"a.example")[3:], "a.example", 22),
        (b"a*" * 600 + b"b", "a" * 200, 22),
        (b",,", "a.example", 22),
    ],
)
def test_the_names_of_other_hosts(line: bytes, host: str, port: int) -> None:
    assert found(host, line + b" " + ED25519, port=port) == KnownKeys()


def test_a_host_without_its_port_is_known_where_none_has_the_port() -> None:
    plain, ported = b"a.example " + ED25519, b"[a.example]:2222 "
    known = found("a.example", plain, port=2222)
    assert known == KnownKeys(("ssh-ed25519",), (fingerprint(ED25519),), is_without_port=True)
    assert known.expected(fingerprint(ED25519)) == (fingerprint(ED25519),)
    # Not a changed key, but an unknown server.
    assert known.expected(fingerprint(OTHER)) == ()
    assert found("a.example", plain, ported + RSA, port=2222) == KnownKeys(("ssh-rsa",), (fingerprint(RSA),))
    for marker in (b"@revoked ", b"@cert-authority "):
        assert found("a.example", plain, marker + ported + OTHER, port=2222).fingerprints == (fingerprint(ED25519),)
    for name in (b"a.example ", ported):
        revoked = found("a.example", plain, b"@revoked " + name + ED25519, port=2222)
        assert revoked == KnownKeys(revoked=(fingerprint(ED25519),))


BAD = [
    b"",
    b"   \t",
    b"# a.example " + ED25519,
    b"  # a.example " + ED25519,
    b"a.example",
    b"a.example ssh-ed25519",
    b"a.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI",
    b"a.example " + ED25519[:-8],
    b"a.example " + ED25519[:-1],
    b"a.example ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB",
    b"a.example ssh-rsa " + ED25519.split()[1],
    b"a.example ssh-ed25519 !!!!",
    b"a.example ssh-ed25519 gr\xfc\xdfe",
    b"a.example ssh-unknown " + fields(b"ssh-unknown", b"x").encode(),
    b"a.example 2048 65537 1234567890",
    b"merge of two files failed here",
    b"<<<<<<< HEAD",
    b"gr\xfc\xdf.example.net ssh-ed25519 AAAA",
    b"\0\1\2\xff\xfe",
    b"@cert-authority a.example " + ED25519,
    b"@unknown a.example " + ED25519,
    b"@cert-authority @revoked a.example " + ED25519,
    b"@revoked",
    b"@",
    b"a.example " + key("ssh-ed25519", b"\x22" * 31),
    b"a.example " + key("ssh-rsa", b"\1\0\1", b""),
    b"a.example ssh-ed25519 " + b"A" * 1_000_000,
    b"," * 1_000_000 + b" " + ED25519,
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_line_that_is_none_is_passed_over(bad: bytes) -> None:
    assert found("a.example", bad) == KnownKeys()
    lines = (bad, b"a.example " + ECDSA, bad)
    assert found("a.example", *lines) == KnownKeys(("ecdsa-sha2-nistp256",), (fingerprint(ECDSA),))


@pytest.mark.parametrize(
    "line",
    [
        b"a.example %b",
        b"\t a.example\t\t%b",
        b"a.example %b a comment \xff",
        b"a.example %b\r",
        b"a.example  %b  ",
    ],
)
def test_blanks_and_comments(line: bytes) -> None:
    assert found("a.example", line % ED25519).fingerprints == (fingerprint(ED25519),)


def test_several_keys_and_a_revoked_one() -> None:
    lines = [b"a.example " + one for one in (RSA, ED25519, ECDSA, RSA)]
    assert found("a.example", *lines).kinds == ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256")
    known = found("a.example", *lines, b"@revoked * " + ED25519, b"@revoked b.example " + RSA)
    assert known.kinds == ("ssh-rsa", "ecdsa-sha2-nistp256")
    assert known.revoked == (fingerprint(ED25519),)
    assert found("a.example", b"@revoked\ta.example\t" + ED25519 + b" stolen").revoked == (fingerprint(ED25519),)


@pytest.mark.parametrize("kind", ["plain", "pipe", "folder", "nothing", "big"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "k"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.write_bytes(b"a.example " + ED25519)
        if kind == "big":
            os.truncate(path, 16_000_001)
    if kind == "plain":
        assert read(str(path), "a.example", 22).fingerprints == (fingerprint(ED25519),)
    else:
        with pytest.raises(LocalError, match="cannot read known hosts"):
            read(str(path), "a.example", 22)


NAMES = st.text("ab.*?!,[]:2", max_size=12).map(str.encode)


@given(st.lists(st.binary(max_size=80), max_size=6), st.text(max_size=20), st.integers(1, 65535))
def test_any_bytes_are_read(lines: list[bytes], host: str, port: int) -> None:
    assert look_up(lines, host, port) == KnownKeys()


@given(NAMES, NAMES)
def test_patterns_are_those_of_a_shell(pattern: bytes, name: bytes) -> None:
    import re

    meant = b"".join(b".*" if one == b"*" else b"." if one == b"?" else re.escape(one) for one in _each(pattern))
    assert matches(pattern, name) == bool(re.fullmatch(meant, name, re.DOTALL))


def _each(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="the reference is OpenSSH's own look-up")
@pytest.mark.parametrize("host", ["a.example", "[a.example]:2222", "b.example", "::1", "[::1]:2222"])
def test_openssh_finds_the_same_lines(tmp_path: Path, host: str) -> None:
    path = tmp_path / "k"
    names = [
        *(b"a.example", b"A.example", b"*.example,!b.example", b"[a.example]:2222", b"[*]:2222", b"::1"),
        *(b"[::1]:2222", b"!a.example", b"*", b"b.example,a.example", b"?.example"),
    ]
    names += [hashed(name) for name in (b"a.example", b"[a.example]:2222", b"b.example", b"::1")]
    keys = [key("ssh-ed25519", bytes([number]) * 32) for number in range(len(names) + 2)]
    # It finds lines whose key is none too.
    others = [bad for bad in BAD if b"a.example" not in bad and len(bad) < 1000]
    lines = [*others, *(b" ".join(pair) for pair in zip(names, keys, strict=False)), b"@revoked * " + keys[-1]]
    path.write_bytes(b"\n".join(lines) + b"\n")
    said = subprocess.run(["ssh-keygen", "-F", host, "-f", str(path)], capture_output=True, check=False).stdout
    theirs = {fingerprint(b" ".join(line.split()[-2:])) for line in said.splitlines() if not line.startswith(b"#")}
    name, _, port = host.removeprefix("[").rpartition("]:") if host.startswith("[") else (host, "", "22")
    ours = look_up(lines, name, int(port))
    assert {*ours.fingerprints, *ours.revoked} == theirs


FORMS = [
    *(
        b"a.example",
        b"A.Example",
        b"a.example.",
        b"[a.example]:2222",
        b"[A.example.]:2222",
        b"b,a.example",
        b"a.exampl",
    ),
    *(b"*.example", b"?.example", b"*,!a.example", b"10.0.0.1", b"::1", b"0:0:0:0:0:0:0:1", b"[0::1]:2222", b"1:2"),
    *("ä.example".encode(), "Ä.example".encode(), hashed(b"a.example"), hashed(b"[::1]:2222"), b"@revoked a.example"),
]


@pytest.mark.parametrize("host", ["a.example", "A.EXAMPLE.", "10.0.0.1", "::1", "0:0::1", "Ä.example", "1:2", ".", ""])
@pytest.mark.parametrize("port", [22, 2222])
def test_only_lines_of_other_hosts_are_left_out_early(host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [form + b" " + ED25519 for form in FORMS]
    early = [look_up([line], host, port) for line in lines]
    monkeypatch.setattr(known_hosts, "_likely", lambda lines, _: lines)
    assert early == [look_up([line], host, port) for line in lines]


def test_of_thousands_of_lines_few_are_taken_apart() -> None:
    lines = [b"host%d.example,10.0.0.%d " % (number, number % 250) + ED25519 for number in range(5000)]
    assert known_hosts._likely(lines, "host4711.example") == [lines[4711]]

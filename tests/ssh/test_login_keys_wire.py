"""Logins with keys, and the files that they are in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
)

from noidchecks import Identity, Login, State, check
from tests.support.sftp import Conduct, sftp_server
from tests.support.ssh_logins import FINE, KEY, NO_PASSWORD, Check, probe


def test_a_key(run: Check, folder: Path, key_file: Path) -> None:
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, login=Login("bob", ""), identities=(Identity(str(key_file)),), sftp=True))
    assert result.text == f"{FINE}[login bob]"
    assert result.facts["method"] == f"key {key_file}"


def test_an_encrypted_key(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked"
    KEY.write_private_key_file(str(path), password="open")
    login = Login("bob", "")
    with sftp_server(folder, Conduct(key=KEY)) as port:
        assert run(probe(port, login=login, identities=(Identity(str(path), "open"),))).ok
        for phrase, why in (
            ("", "it is encrypted"),
            ("wrong", "no private key that paramiko reads, or not with this passphrase"),
        ):
            result = run(probe(port, login=login, identities=(Identity(str(path), phrase),)))
            assert result.text == f"SSH UNKNOWN - login as bob: cannot read identity {path}: {why}"


def test_a_passphrase_that_is_no_utf_8(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked"
    KEY.write_private_key_file(str(path), password=b"gr\xfc\xdfe")
    identity = Identity(str(path), b"gr\xfc\xdfe".decode(errors="surrogateescape"))
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(identity,)))
    assert result.ok, result.text


@pytest.mark.parametrize("text", ["PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "ssh-ed25519 AAAA me\n"])
def test_a_file_that_paramiko_does_not_read(folder: Path, tmp_path: Path, text: str) -> None:
    """It may hold a key of another kind, of which it would be untrue that it is none."""
    path = tmp_path / "id"
    path.write_text(text)
    with sftp_server(folder) as port:
        result = check(probe(port, login=NO_PASSWORD, identities=(Identity(str(path)),)))
    told = f"login as bob: cannot read identity {path}: no private key that paramiko reads"
    assert result.text == f"SSH UNKNOWN - {told}"


@pytest.mark.parametrize("phrase", ["", "let me in"])
def test_a_key_in_pkcs8_is_told_how_to_be_converted(folder: Path, tmp_path: Path, phrase: str) -> None:
    path = tmp_path / "id"
    encryption = BestAvailableEncryption(phrase.encode()) if phrase else NoEncryption()
    path.write_bytes(KEY.signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = check(probe(port, login=NO_PASSWORD, identities=(Identity(str(path), phrase),)))
    assert result.text == (
        f"SSH UNKNOWN - login as bob: cannot read identity {path}: "
        "paramiko does not read PKCS#8; convert the key with ssh-keygen -p -f FILE"
    )


def test_a_key_that_is_refused_and_then_the_password(run: Check, folder: Path, key_file: Path) -> None:
    conduct = Conduct()
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, identities=(Identity(str(key_file)),)))
    assert result.ok
    assert conduct.attempts == ["none", "publickey", "password"]


def test_two_factors(run: Check, folder: Path, key_file: Path) -> None:
    with sftp_server(folder, Conduct(key=KEY, methods="publickey,then,password")) as port:
        assert run(probe(port, identities=(Identity(str(key_file)),))).facts["method"] == "password"
        result = run(probe(port, login=Login("bob", ""), identities=(Identity(str(key_file)),)))
    assert result.text == (
        f"SSH CRITICAL - login as bob: key {key_file} accepted, but not enough; the server offers password"
    )


@pytest.mark.parametrize("which", ["identity", "known hosts"])
def test_a_pipe_in_place_of_a_file(run: Check, folder: Path, key_file: Path, which: str) -> None:
    path = key_file.with_name("pipe")
    os.mkfifo(path)
    settings: dict[str, Any] = {"login": NO_PASSWORD, "identities": (Identity(str(key_file)),)}
    if which == "identity":
        settings["identities"] = (Identity(str(path)),)
    elif which == "known hosts":
        settings["known_hosts"] = str(path)
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, **settings))
    told = {
        "known hosts": f"cannot read known hosts {path}",
        "identity": f"login as bob: cannot read identity {path}",
    }
    assert result.text.endswith(f"{told[which]}: it is no regular file")
    assert result.state == State.UNKNOWN


def test_a_huge_file_in_place_of_a_key(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(10**12)
    with sftp_server(folder) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(Identity(str(path)),)))
    assert result.text == f"SSH UNKNOWN - login as bob: cannot read identity {path}: it has more than 1000000 bytes"


@pytest.fixture
def certificate(key_file: Path) -> Path:
    path = key_file.with_name("id-cert.pub")
    builder = SSHCertificateBuilder().public_key(KEY.signing_key.public_key()).type(SSHCertificateType.USER)
    builder = builder.valid_principals([b"bob"]).valid_after(0).valid_before(2**64 - 1).key_id(b"bob").serial(1)
    path.write_bytes(builder.sign(paramiko.ECDSAKey.generate().signing_key).public_bytes())
    return path


@pytest.mark.parametrize("named", ["key", "certificate"])
def test_a_certificate_and_then_the_key_beside_it(
    run: Check, folder: Path, key_file: Path, certificate: Path, named: str
) -> None:
    """As `ssh -i` does; a server that does not know the authority still knows the key."""
    path = key_file if named == "key" else certificate
    settings: dict[str, Any] = {"login": NO_PASSWORD, "identities": (Identity(str(path)),)}
    conduct = Conduct(key=KEY)
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, **settings))
    assert result.facts["method"] == f"key {key_file}"
    assert conduct.attempts[:3] == ["none", "publickey", "publickey"]
    with sftp_server(folder) as port:
        result = run(probe(port, **settings))
    told = f"certificate {certificate} refused, key {key_file} refused; the server offers publickey, password"
    assert result.text == f"SSH CRITICAL - login as bob: {told}"


@pytest.mark.parametrize("contents", [b"", b"ssh-ed25519-cert-v01@openssh.com AAAA", b"\xff\0"])
def test_a_broken_certificate_does_not_keep_the_key_from_being_tried(
    run: Check, folder: Path, key_file: Path, certificate: Path, contents: bytes
) -> None:
    certificate.write_bytes(contents)
    settings: dict[str, Any] = {"login": NO_PASSWORD, "identities": (Identity(str(key_file)),)}
    with sftp_server(folder, Conduct(key=KEY)) as port:
        assert run(probe(port, **settings)).facts["method"] == f"key {key_file}"
    with sftp_server(folder) as port:
        result = run(probe(port, **settings))
    told = f"cannot read certificate {certificate}: no certificate of this key, key {key_file} refused"
    assert result.text == f"SSH UNKNOWN - login as bob: {told}"


def test_a_pipe_in_place_of_a_certificate(run: Check, folder: Path, key_file: Path, certificate: Path) -> None:
    certificate.unlink()
    os.mkfifo(certificate)
    with sftp_server(folder) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(Identity(str(key_file)),)))
    assert f"login as bob: cannot read certificate {certificate}: it is no regular file, key" in result.text
    assert result.state == State.UNKNOWN


def test_a_key_that_cannot_be_read_leaves_the_other_ways(
    run: Check, folder: Path, key_file: Path, tmp_path: Path
) -> None:
    """OpenSSH goes on too, and with --look-for-keys nobody has named the key."""
    path = tmp_path / "locked"
    KEY.write_private_key_file(str(path), password="open")
    locked, missing, other = Identity(str(path)), Identity(str(tmp_path / "none")), Identity(str(key_file))
    with sftp_server(folder, Conduct(key=KEY)) as port:
        assert run(probe(port, login=NO_PASSWORD, identities=(locked, missing, other))).facts["method"] == (
            f"key {key_file}"
        )
    with sftp_server(folder) as port:
        assert run(probe(port, identities=(locked,))).facts["method"] == "password"
        result = run(probe(port, login=Login("bob", "wrong"), identities=(locked, other)))
    told = f"cannot read identity {path}: it is encrypted, key {key_file} refused, password refused"
    assert result.text == f"SSH UNKNOWN - login as bob: {told}"


def test_a_passphrase_is_for_the_keys_that_need_it(run: Check, folder: Path, key_file: Path) -> None:
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(Identity(str(key_file), "open"),)))
    assert result.ok, result.text

"""Logins with keys, and the files that they are in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

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
        for phrase, why in (("", "it is encrypted"), ("wrong", "no private key, or not with this passphrase")):
            result = run(probe(port, login=login, identities=(Identity(str(path), phrase),)))
            assert result.text == f"SSH UNKNOWN - login as bob: cannot read identity {path}: {why}"


def test_a_passphrase_that_is_no_utf_8(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked"
    KEY.write_private_key_file(str(path), password=b"gr\xfc\xdfe")
    identity = Identity(str(path), b"gr\xfc\xdfe".decode(errors="surrogateescape"))
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(identity,)))
    assert result.ok, result.text


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


@pytest.mark.parametrize("which", ["identity", "certificate", "known hosts"])
def test_a_pipe_in_place_of_a_file(run: Check, folder: Path, key_file: Path, which: str) -> None:
    path = key_file.with_name("id-cert.pub") if which == "certificate" else key_file.with_name("pipe")
    os.mkfifo(path)
    settings: dict[str, Any] = {"login": NO_PASSWORD, "identities": (Identity(str(key_file)),)}
    if which == "identity":
        settings["identities"] = (Identity(str(path)),)
    elif which == "known hosts":
        settings["known_hosts"] = str(path)
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, **settings))
    wanted = {
        "known hosts": f"cannot read known hosts {path}",
        "identity": f"login as bob: cannot read identity {path}",
    }
    told = wanted.get(which, f"login as bob: cannot read identity {key_file}")
    assert result.text.endswith(f"{told}: it is no regular file")
    assert result.state == State.UNKNOWN


def test_a_huge_file_in_place_of_a_key(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(10**12)
    with sftp_server(folder) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(Identity(str(path)),)))
    assert result.text == f"SSH UNKNOWN - login as bob: cannot read identity {path}: it has more than 1000000 bytes"

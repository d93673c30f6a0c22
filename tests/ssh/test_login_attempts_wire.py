"""Attempts to log in, and servers that end the connection at one of them."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from noidchecks import Identity, Listing, Login, SshProbe, State, check
from tests.support.sftp import HOST_KEY, Conduct, hang_up, sftp_server


def probe(port: int, *identities: Identity, listing: Listing | None = None) -> SshProbe:
    return SshProbe(
        "127.0.0.1",
        port=port,
        timeout=10,
        login=Login("bob", "sesame"),
        identities=identities,
        fingerprints=(HOST_KEY.fingerprint,),
        listing=listing,
    )


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "id"))
    return Identity(str(tmp_path / "id"))


def test_all_attempts_follow_one_request_for_the_service(tmp_path: Path, identity: Identity) -> None:
    """A second one is a breach of order for asyncssh; the played server is as strict."""
    conduct = Conduct()
    with sftp_server(tmp_path, conduct) as port:
        assert check(probe(port, identity, identity)).ok
    assert conduct.attempts == ["none", "publickey", "publickey", "password"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Too many authentication failures", ": Too many authentication failures"),
        ("a\nb\x1b[2J", ": a b\\x1b[2J"),
        ("", ""),
    ],
)
def test_a_disconnect_is_no_refused_password(tmp_path: Path, identity: Identity, words: str, said: str) -> None:
    conduct = Conduct(troubles={"password": lambda transport: hang_up(transport, words)})
    with sftp_server(tmp_path, conduct) as port:
        result = check(probe(port, identity))
    assert result.state is State.CRITICAL
    assert result.text == (
        f"SSH CRITICAL - login as bob: key {identity.path} refused, password: the server ends the connection{said}"
    )


def test_the_last_words_behind_the_login(tmp_path: Path) -> None:
    conduct = Conduct(troubles={"list": hang_up})
    with sftp_server(tmp_path, conduct) as port:
        result = check(probe(port, listing=Listing("in")))
    assert result.text == "SFTP CRITICAL - list in: the server ends the connection: that was enough"


def serve_with(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> None:
    """Gives the transport of a server these attributes before it serves."""
    begin = paramiko.Transport.start_server

    def start(transport: paramiko.Transport, **given: object) -> None:
        vars(transport).update(attributes)
        begin(transport, **given)

    monkeypatch.setattr(paramiko.Transport, "start_server", start)


def test_a_server_that_knows_the_curve_by_the_name_of_the_rfc_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8731; `KexAlgorithms curve25519-sha256` of OpenSSH."""
    curve = paramiko.Transport._kex_info["curve25519-sha256@libssh.org"]
    serve_with(monkeypatch, _preferred_kex=("curve25519-sha256",), _kex_info={"curve25519-sha256": curve})
    with sftp_server(tmp_path) as port:
        result = check(probe(port))
    assert result.ok, result.text


class _Latin1(str):
    """Text that paramiko sends, and hashes, in Latin-1."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return super().encode("latin-1")

    def __add__(self, more: str) -> _Latin1:
        return _Latin1(super().__add__(more))


def test_an_identification_string_that_is_no_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a `VersionAddendum` in a configuration in Latin-1; it is a part of what the server signs."""
    serve_with(monkeypatch, local_version=_Latin1("SSH-2.0-lab_1 Gr\xfc\xdfe"))
    with sftp_server(tmp_path) as port:
        result = check(probe(port))
    assert result.text == "SSH OK - lab_1 (protocol 2.0) [login bob]"


def test_a_server_that_has_no_algorithm_in_common_with_us_is_not_called_sick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hardened ones offer a cipher alone that paramiko lacks; their clients are well."""
    serve_with(monkeypatch, _preferred_ciphers=("chacha20-poly1305@openssh.com",))
    with sftp_server(tmp_path) as port:
        result = check(probe(port))
    assert result.state is State.UNKNOWN
    assert result.text == (
        "SSH UNKNOWN - Key exchange failed: Incompatible ssh server (no acceptable ciphers); "
        "--algorithms shows what the server offers"
    )

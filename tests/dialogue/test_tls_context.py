"""One context for many connections, made again when the files of its authorities have changed."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from noidchecks import LocalError
from noidchecks.dialogue import tls_context
from noidchecks.dialogue.tls import load_context
from noidchecks.dialogue.tls_context import context_for
from tests.support.certificates import Chain


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("chain"), 90, 90)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("other"), 90, 90)


@pytest.fixture
def authorities(tmp_path: Path, chain: Chain) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(chain.root.read_bytes())
    return path


def the_only_one(context: ssl.SSLContext) -> bytes:
    (found,) = context.get_ca_certs(binary_form=True)
    return found


def der(chain: Chain) -> bytes:
    return ssl.PEM_cert_to_DER_cert(chain.root.read_text())


def test_the_authorities_are_read_once(authorities: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = context_for(verify=True, ca_file=str(authorities))
    monkeypatch.setattr(tls_context, "read_authorities", None)
    assert context_for(verify=True, ca_file=str(authorities)) is first
    assert first.check_hostname
    assert first.verify_mode is ssl.CERT_REQUIRED
    unverified = context_for(verify=False, ca_file="")
    assert context_for(verify=False, ca_file="") is unverified
    assert unverified.verify_mode is ssl.CERT_NONE


def test_a_renewed_file_is_read_again(authorities: Path, chain: Chain, other: Chain) -> None:
    first = context_for(verify=True, ca_file=str(authorities))
    assert the_only_one(first) == der(chain)
    # Another file in its place, as most tools do it, and the same one with other contents.
    renewed = authorities.with_suffix(".new")
    renewed.write_bytes(other.root.read_bytes())
    renewed.replace(authorities)
    assert the_only_one(context_for(verify=True, ca_file=str(authorities))) == der(other)
    authorities.write_bytes(chain.root.read_bytes() + other.root.read_bytes())
    assert len(context_for(verify=True, ca_file=str(authorities)).get_ca_certs()) == 2
    # A connection keeps the context that it began with.
    assert the_only_one(first) == der(chain)


def test_a_file_that_cannot_be_read_is_looked_at_again(authorities: Path) -> None:
    context_for(verify=True, ca_file=str(authorities))
    contents = authorities.read_bytes()
    authorities.unlink()
    reason = f"Cannot read CA file {authorities}: No such file or directory"
    with pytest.raises(LocalError, match=reason):
        context_for(verify=True, ca_file=str(authorities))
    # The handshake says it, in its phase.
    load_context(verify=True, ca_file=str(authorities))
    authorities.write_bytes(contents)
    assert context_for(verify=True, ca_file=str(authorities))
    with pytest.raises(LocalError, match="Cannot read CA file"):
        context_for(verify=True, ca_file="a\0b")


def test_what_the_system_trusts_is_read_again_too(
    authorities: Path, tmp_path: Path, chain: Chain, other: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setenv("SSL_CERT_DIR", ":".join(map(str, folders)))
    first = context_for(verify=True, ca_file="")
    assert the_only_one(first) == der(chain)
    assert context_for(verify=True, ca_file="") is first
    (folders[1] / "12345678.0").write_bytes(other.root.read_bytes())
    second = context_for(verify=True, ca_file="")
    assert second is not first
    assert context_for(verify=True, ca_file="") is second
    authorities.write_bytes(other.root.read_bytes() * 2)
    assert the_only_one(context_for(verify=True, ca_file="")) == der(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain.root))
    assert the_only_one(context_for(verify=True, ca_file="")) == der(chain)


def test_few_are_kept(tmp_path: Path, chain: Chain) -> None:
    paths = [tmp_path / f"{number}.pem" for number in range(40)]
    for path in paths:
        path.write_bytes(chain.root.read_bytes())
        context_for(verify=True, ca_file=str(path))
        # One that is used all the time stays.
        assert context_for(verify=True, ca_file=str(paths[0]))
    assert tls_context._kept.cache_info().currsize <= 16
    first = context_for(verify=True, ca_file=str(paths[0]))
    assert context_for(verify=True, ca_file=str(paths[0])) is first


def test_a_forked_process_makes_its_own(authorities: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = context_for(verify=True, ca_file=str(authorities))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert context_for(verify=True, ca_file=str(authorities)) is not first

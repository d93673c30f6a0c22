"""Certificates that no library likes are a TlsError, whatever it makes of them."""

from __future__ import annotations

import random
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, strategies as st

from noidchecks.dialogue.certificate import judge_days
from noidchecks.dialogue.x509 import fingerprints, read
from noidchecks.errors import TlsError
from noidchecks.status.gate import Gate


def _made(name: str = "x", serial: int = 7) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), serial)
    dated = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(90))
    return dated.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


DER = _made()
VERSION_4 = DER.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), 1)
BIT_STRING = DER.replace(bytes.fromhex("06035504030c0178"), bytes.fromhex("0603550403030100"))
# id-ecPublicKey of the key becomes an algorithm that there is not.
ODD_KEY = DER.replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209"))
NEGATIVE = DER.replace(bytes.fromhex("020107"), bytes.fromhex("0201f7"), 1)


@pytest.mark.parametrize("der", [VERSION_4, BIT_STRING, b"", b"\x30", DER[:-1], DER + b"x"])
def test_what_cannot_be_read_is_a_tls_error(der: bytes) -> None:
    assert der != DER
    with pytest.raises(TlsError, match="Cannot read the server's certificate"):
        read(der)


def test_an_odd_key_has_no_fingerprint() -> None:
    for der in (VERSION_4, ODD_KEY, b""):
        assert fingerprints(der)[1] == "unknown"
    assert len(fingerprints(DER)[1]) == 64


def test_what_is_odd_about_a_peer_is_no_warning_of_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(NEGATIVE).subject == "x"


def test_a_library_that_knows_no_zones_of_times_gives_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """cryptography before 42, as on Debian 12."""
    end = read(DER).not_after

    class Older:
        subject = x509.load_der_x509_certificate(DER).subject
        not_valid_after = end.replace(tzinfo=None)

    monkeypatch.setattr(x509, "load_der_x509_certificate", lambda _: Older())
    assert read(DER).not_after == end
    assert end.tzinfo is UTC


@pytest.mark.parametrize("failure", [OverflowError, TypeError, ValueError, RuntimeError, BaseException])
def test_whatever_the_library_raises(monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]) -> None:
    def load(_: bytes) -> None:
        raise failure

    monkeypatch.setattr("noidchecks.dialogue.x509.x509.load_der_x509_certificate", load)
    with pytest.raises(TlsError):
        read(DER)
    assert fingerprints(DER)[1] == "unknown"


def test_the_user_may_still_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("noidchecks.dialogue.x509.x509.load_der_x509_certificate", load)
    with pytest.raises(KeyboardInterrupt):
        read(DER)


def test_a_secret_and_a_long_name_are_not_printed() -> None:
    certificate = read(_made("the password is open sesame"), Gate(("open sesame",)))
    assert certificate.subject == "the password is ****"
    part = judge_days((certificate.replace(subject="|<b>\x1b" + "x" * 35_000),), 30, 14)
    assert len(part.text) < 400
    assert part.text.isprintable()
    assert "|" not in part.text


@given(st.integers(0, 1 << 32))
def test_mutated_certificates(seed: int) -> None:
    chance = random.Random(seed)  # hypothesis draws the seed
    der = bytearray(DER)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(der))
        der[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    with suppress(TlsError):
        assert judge_days((read(bytes(der)),), 30, 14).text.isprintable()
    assert len(fingerprints(bytes(der))[0]) == 64

"""Certificates as Icinga 2 makes them are accepted, under Python 3.13 too, and what they say is verified."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from noidchecks.surveys.report.icinga2 import Icinga2
from tests.support.icinga_api import PASSWORD, USER, Api, strict_certificates
from tests.support.records import record


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *more: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(by, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An authority without key usage and key identifiers, as CreateCert() of Icinga makes it, its node, another one."""
    folder = tmp_path_factory.mktemp("authority")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    authority = _signed("Icinga CA", keys[0], "Icinga CA", keys[0], x509.BasicConstraints(ca=True, path_length=0))
    other = _signed("Icinga CA", keys[2], "Icinga CA", keys[2], x509.BasicConstraints(ca=True, path_length=0))
    node = _signed("localhost", keys[1], "Icinga CA", keys[0], x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    key = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.crt").write_bytes("# Zertifizierungsstelle für Icinga\n".encode() + _pem(authority))
    (folder / "node.pem").write_bytes(_pem(node) + key)
    (folder / "other.crt").write_bytes(_pem(other))
    return folder / "ca.crt", folder / "node.pem", folder / "other.crt"


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    with strict_certificates():
        yield


def test_the_authority_of_icinga_is_accepted(files: tuple[Path, Path, Path]) -> None:
    authority, node, _ = files
    with Api(node) as api:
        report = Icinga2(api.url, USER, PASSWORD, str(authority))
        delivery = report.deliver([record()])
        report.close()
    assert (list(delivery.left), delivery.trouble) == ([], "")
    assert len(api.results) == 1


def test_chain_and_name_are_verified_all_the_same(files: tuple[Path, Path, Path]) -> None:
    authority, node, other = files
    with Api(node) as api:
        for url, ca, words in (
            (api.url, other, "certificate cannot be verified"),
            (f"https://127.0.0.1:{api.port}", authority, "IP address mismatch"),
        ):
            report = Icinga2(url, USER, PASSWORD, str(ca))
            assert words in report.deliver([record()]).trouble
            report.close()
    assert api.results == []

"""Parses certificates with the library cryptography; imported only by checks that judge one."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..errors import TlsError
from .certificate import Certificate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..status.gate import Gate

    T = TypeVar("T")


class _Unreadable(Exception):
    """The library fails on a peer's certificate, which is malformed or holds invalid values."""


def read(der: bytes, gate: Gate | None = None) -> Certificate:
    """Reads a certificate and masks secrets in its name with the gate; raises TlsError."""

    def work() -> Certificate:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        subject = names[0].value if names else "Unknown CN"
        text = subject if isinstance(subject, str) else subject.decode("latin-1")
        if gate is not None and gate.repeats(text):
            text = gate.words(text)
        return Certificate(text, _end(certificate), der)

    try:
        return _of_a_peer(work)
    except _Unreadable as error:
        raise TlsError("Cannot read the server's certificate") from error


def _end(certificate: x509.Certificate) -> datetime:
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc
    # cryptography before 42.
    return certificate.not_valid_after.replace(tzinfo=UTC)


def fingerprints(der: bytes) -> tuple[str, str]:
    """Returns the SHA-256 of a certificate and that of its public key (SPKI), "unknown" for an unreadable one."""

    def work() -> bytes:
        key = x509.load_der_x509_certificate(der).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    try:
        return sha256(der).hexdigest(), sha256(_of_a_peer(work)).hexdigest()
    except _Unreadable:
        return sha256(der).hexdigest(), "unknown"


def _of_a_peer(work: Callable[[], T]) -> T:
    """Runs a parser on a peer's data; raises _Unreadable for every error of the library, which documents none.

    Observed are ValueError, TypeError, InvalidVersion, UnsupportedAlgorithm and OverflowError; a panic of its Rust code
    (PanicException) does not derive from Exception.
    """
    try:
        with warnings.catch_warnings():
            # Warnings about a peer's certificate must not appear on standard error.
            warnings.simplefilter("ignore")
            return work()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise _Unreadable from error

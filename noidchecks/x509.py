"""Certificates read, with the one library that does; imported only when one is to be judged."""

from __future__ import annotations

from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .certificate import Certificate
from .errors import TlsError


def read(der: bytes) -> Certificate:
    """Reads a certificate; TlsError."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        subject = names[0].value if names else "Unknown CN"
        not_after = certificate.not_valid_after_utc
    except ValueError as error:
        raise TlsError("Cannot read the server's certificate") from error
    return Certificate(subject if isinstance(subject, str) else subject.decode("latin-1"), not_after, der)


def fingerprints(der: bytes) -> tuple[str, str]:
    """Returns the SHA-256 of a certificate and that of its public key (SPKI), "unknown" for one that nobody reads."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return sha256(der).hexdigest(), "unknown"
    return sha256(der).hexdigest(), sha256(info).hexdigest()

"""A small authority: a server's certificate, signed by an intermediate one, signed by a root."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


class Chain:
    """The files of a chain: pem is for the server, its own certificate first, root and between are for the client.

    days are those that the server's certificate and the intermediate one have left.
    """

    def __init__(self, folder: Path, *days: int) -> None:
        own, between = days
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
        root = _sign("root", keys[2], "root", keys[2], 900)
        middle = _sign("between", keys[1], "root", keys[2], between)
        leaf = _sign("good.example", keys[0], "between", keys[1], own)
        self.pem, self.root, self.between = (folder / f"{name}.pem" for name in ("chain", "root", "between"))
        private = keys[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.pem.write_bytes(private + leaf.public_bytes(Encoding.PEM) + middle.public_bytes(Encoding.PEM))
        self.root.write_bytes(root.public_bytes(Encoding.PEM))
        self.between.write_bytes(middle.public_bytes(Encoding.PEM))
        self.certificate = sha256(leaf.public_bytes(Encoding.DER)).hexdigest()
        public = keys[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key = sha256(public).hexdigest()
        self.issuer = sha256(middle.public_bytes(Encoding.DER)).hexdigest()


def _sign(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, days: int
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(_name(issuer), _name(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=name != "good.example", path_length=None), critical=True)
    )
    if name == "good.example":
        addresses = [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name), *addresses]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

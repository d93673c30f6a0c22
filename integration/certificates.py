"""Certificates of every age, made by the openssl program."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

OPENSSL = "/usr/bin/openssl"
NAME = "good.example"
SLACK = timedelta(minutes=30)
"""What "5 days" and "5 hours" have on top, so that they still are 5 whole ones at the end of a long test run."""

# `openssl ca` because `openssl x509` takes no start and end date before OpenSSL 3.4.
SETTINGS = """\
[ca]
default_ca = authority
[authority]
database = {folder}/index
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
rand_serial = yes
unique_subject = no
policy = policy
x509_extensions = leaf
[policy]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:{host},IP:127.0.0.1
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server certificate and its private key, both PEM files."""

    path: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """One certificate for each thing that a check says about certificates; all but `self_signed` are signed by `ca`."""

    ca: Path
    good: Certificate
    expiring: Certificate
    hours: Certificate
    expired: Certificate
    self_signed: Certificate
    other_name: Certificate


class Authority:
    """A certificate authority that keeps its files in an empty folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        self._folder = folder
        self._settings = folder / "openssl.cnf"
        self._write_settings(NAME)
        (folder / "index").touch()
        # One key for all servers: making an RSA key is the slow part.
        self._key = folder / "server.key"
        self._openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self._key)
        ca_key = folder / "ca.key"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", ca_key)
        self._request("root", "/CN=noidchecks test authority", ca_key, self.certificate)

    def issue(self, name: str, start: datetime, end: datetime, host: str = NAME) -> Certificate:
        """Signs a certificate for a host and 127.0.0.1, valid between two points of time in UTC."""
        self._write_settings(host)
        request = self._folder / f"{name}.csr"
        certificate = self._folder / f"{name}.pem"
        settings = ("-config", self._settings)
        self._openssl("req", *settings, "-new", "-key", self._key, "-subj", f"/CN={host}", "-out", request)
        dates = ("-startdate", f"{start:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}")
        self._openssl("ca", *settings, "-batch", "-notext", *dates, "-in", request, "-out", certificate)
        return Certificate(certificate, self._key)

    def self_signed(self) -> Certificate:
        """Makes the certificate that nobody vouches for."""
        certificate = self._folder / "self-signed.pem"
        self._request("leaf", f"/CN={NAME}", self._key, certificate)
        return Certificate(certificate, self._key)

    def _write_settings(self, host: str) -> None:
        self._settings.write_text(SETTINGS.format(folder=self._folder, host=host))

    def _request(self, extensions: str, subject: str, key: Path, target: Path) -> None:
        settings = ("-config", self._settings, "-extensions", extensions, "-days", "365")
        self._openssl("req", "-x509", *settings, "-subj", subject, "-key", key, "-out", target)

    def _openssl(self, *arguments: str | Path) -> None:
        done = subprocess.run([OPENSSL, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")


def make_certificates(folder: Path) -> Certificates:
    """Makes an authority in an empty folder, and one certificate of each kind."""
    authority = Authority(folder)
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(days=1)
    return Certificates(
        ca=authority.certificate,
        good=authority.issue("good", start, now + timedelta(days=365)),
        expiring=authority.issue("expiring", start, now + timedelta(days=5) + SLACK),
        hours=authority.issue("hours", start, now + timedelta(hours=5) + SLACK),
        expired=authority.issue("expired", now - timedelta(days=30), now - timedelta(days=2)),
        self_signed=authority.self_signed(),
        other_name=authority.issue("other-name", start, now + timedelta(days=365), host="other.example"),
    )

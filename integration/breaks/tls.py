"""What can break of TLS before an FTP server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from integration.breaks.ftp import FTP, PORT, proftpd, vsftpd
from integration.breaks.scene import Scene, Stages, Where, breaks
from integration.certificates import Certificate
from integration.lab import Tls, servers
from integration.lab.servers import Place, Server
from tests.support.certificates import Chain


def with_tls(scene: Scene, certificate: Certificate) -> Callable[[Place], Server]:
    """Prepares a vsftpd with a certificate."""
    return lambda place: servers.vsftpd(place, scene.backend.passive_ports, PORT, Tls(certificate=certificate))


def two_certificates(scene: Scene, good: Certificate, bad: Certificate, where: Where) -> Stages:
    """A server whose certificate is replaced by another one."""
    for certificate in (good, bad):
        with scene.server(with_tls(scene, certificate)):
            yield where


def two_chains(scene: Scene, *days: int) -> Stages:
    """A chain of a year, and one with so many days left; the pin is that of the first."""
    good, bad = (Chain(scene.folder("chain"), *left) for left in ((365, 365), days))
    where = Where(port=PORT, words={"PIN": good.certificate, "ca.pem": good.root})
    return two_certificates(scene, Certificate(good.pem, good.pem), Certificate(bad.pem, bad.pem), where)


def verified(scene: Scene, bad: Certificate) -> Stages:
    """A certificate that our authority vouches for, and another one."""
    where = Where(port=PORT, words={"ca.pem": scene.certificates.ca})
    return two_certificates(scene, scene.certificates.good, bad, where)


@breaks("FTP", "The certificate expires soon")
def certificate_ends(scene: Scene) -> Stages:
    return two_chains(scene, 5, 365)


@breaks("FTP", "The issuer's certificate expires soon")
def issuer_ends(scene: Scene) -> Stages:
    return two_chains(scene, 365, 20)


@breaks("FTP", "The certificate has expired")
def certificate_ended(scene: Scene) -> Stages:
    return verified(scene, scene.certificates.expired)


@breaks("FTP", "The certificate has another name")
def another_name(scene: Scene) -> Stages:
    return verified(scene, scene.certificates.other_name)


@breaks("FTP", "The certificate is self-signed")
def untrusted(scene: Scene) -> Stages:
    return verified(scene, scene.certificates.self_signed)


@breaks("FTP", "The certificate is not the pinned one")
def another_certificate(scene: Scene) -> Stages:
    return two_chains(scene, 365, 365)


@breaks("FTP", "TLS has been switched off")
def tls_off(scene: Scene) -> Stages:
    with scene.server(with_tls(scene, scene.certificates.good)):
        yield FTP
    with scene.server(vsftpd(scene)):
        yield FTP


@breaks("FTP", "TLS is too old")
def tls_too_old(scene: Scene) -> Stages:
    for line in ("TLSProtocol TLSv1.2 TLSv1.3", "TLSProtocol TLSv1.2"):
        with scene.server(proftpd(scene, *tls_lines(scene, line))):
            yield FTP


@breaks("FTP", "Data connections are not encrypted")
def data_in_clear(scene: Scene) -> Stages:
    for line in ("TLSRequired off", "TLSRequired auth+!data"):
        with scene.server(proftpd(scene, *tls_lines(scene, line))):
            yield FTP


def tls_lines(scene: Scene, *more: str) -> list[str]:
    """The lines of proftpd.conf(5) that switch TLS on."""
    certificate = scene.certificates.good
    log: Path = scene.folder("tls") / "log"
    return [
        "LoadModule mod_tls.c",
        "TLSEngine on",
        f"TLSRSACertificateFile {certificate.path}",
        f"TLSRSACertificateKeyFile {certificate.key}",
        "TLSOptions NoSessionReuseRequired",
        f"TLSLog {log}",
        *more,
    ]

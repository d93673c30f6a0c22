"""What is demanded of TLS, of every real server in every variant that it offers: once met, once not."""

import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from integration import servers
from integration.certificates import OPENSSL, Certificate, Certificates
from integration.conftest import Folders
from integration.servers import Server, free_port
from noidchecks import File, FtpProbe, Login, Result, State, check
from tests.support.certificates import Chain

pytestmark = pytest.mark.root

VARIANTS = (
    *("vsftpd_explicit", "vsftpd_implicit", "proftpd_explicit", "proftpd_implicit"),
    *("pure_ftpd_explicit", "pure_ftpd_tls_only", "pure_ftpd_data_too"),
)
OTHER = "ab" * 32


@pytest.fixture(scope="session")
def pure_ftpd_data_too(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    """Refuses a login and data connections without TLS."""
    with servers.pure_ftpd(new_folder(), free_port(), explicit=certificates.good, tls=3) as server:
        yield server


def ask(request: pytest.FixtureRequest, name: str, **settings: Any) -> Result:
    server: Server = request.getfixturevalue(name)
    tls = "implicit" if "implicit" in name else "explicit"
    defaults: dict[str, Any] = {
        "timeout": 8,
        "login": Login(),
        "data": "passive",
        "get": File("hello.txt", contains=b"world"),
    }
    return check(FtpProbe(server.host, port=server.port, tls=tls, **defaults | settings))


def pins_of(certificate: Certificate) -> tuple[str, str]:
    """Returns the SHA-256 of certificate and key, as the openssl program has them."""
    der = ("-outform", "DER")
    whole = subprocess.run([OPENSSL, "x509", "-in", certificate.path, *der], capture_output=True, check=True).stdout
    key = subprocess.run([OPENSSL, "pkey", "-in", certificate.key, "-pubout", *der], capture_output=True, check=True)
    return sha256(whole).hexdigest(), sha256(key.stdout).hexdigest()


@pytest.mark.parametrize("name", VARIANTS)
def test_pins(request: pytest.FixtureRequest, certificates: Certificates, name: str) -> None:
    whole, key = pins_of(certificates.good)
    for pins in ((whole,), (OTHER, key)):
        result = ask(request, name, tls_pins=pins)
        assert result.ok, result.text
    wrong = ask(request, name, tls_pins=(OTHER,))
    assert wrong.text == (
        f"FTP CRITICAL - Certificate has none of the pins: its SHA-256 is {whole}, that of its key {key}"
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_trust_and_name(request: pytest.FixtureRequest, certificates: Certificates, name: str) -> None:
    trusting = {"verify": True, "ca_file": str(certificates.ca)}
    assert (result := ask(request, name, **trusting)).ok, result.text
    assert ask(request, name, **trusting, sni="bad.example").text.startswith(
        "FTP CRITICAL - Cannot verify certificate: Hostname mismatch"
    )
    assert ask(request, name, verify=True).text == (
        "FTP CRITICAL - Cannot verify certificate: unable to get local issuer certificate"
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_days(request: pytest.FixtureRequest, name: str) -> None:
    good = ask(request, name, certificate_days=(30, 14))
    assert good.ok, good.text
    assert good.text.startswith("OK - Certificate 'good.example' will expire on ")
    late = ask(request, name, certificate_days=(9999, 14))
    assert late.state == State.WARNING
    assert late.text.startswith("WARNING - Certificate 'good.example' expires in 36")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_newest_version(request: pytest.FixtureRequest, name: str) -> None:
    result = ask(request, name, tls_min="1.2")
    assert result.ok, result.text


@pytest.fixture(scope="module")
def proftpd_old(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    """Speaks TLS 1.2 and nothing else."""
    with servers.proftpd(new_folder(), free_port(), explicit=certificates.good, protocol="TLSv1.2") as server:
        yield server


def test_a_version_that_is_too_old(request: pytest.FixtureRequest, certificates: Certificates) -> None:
    # The pin is compared again on each data connection, whose session of TLS 1.2 is a resumed one.
    good = ask(request, "proftpd_old", tls_min="1.2", tls_pins=pins_of(certificates.good), data="both")
    assert good.ok, good.text
    old = ask(request, "proftpd_old", tls_min="1.3")
    assert old.text == "FTP CRITICAL - TLS version: expected at least TLS 1.3, received TLS 1.2"


@pytest.fixture(scope="module")
def vsftpd_chain(new_folder: Folders) -> Iterator[Server]:
    """Sends an intermediate certificate that ends before its own."""
    folder = new_folder()
    pem: Path = Chain(folder, 400, 20).pem
    with servers.vsftpd(new_folder(), free_port(), explicit=Certificate(pem, pem)) as server:
        yield server


def test_the_days_of_the_whole_chain(request: pytest.FixtureRequest) -> None:
    result = ask(request, "vsftpd_chain", certificate_days=(30, 14))
    assert result.state == State.WARNING
    assert result.text.startswith("WARNING - Certificate 'between' in the chain of 'good.example' expires in 20 day(s)")
    assert ask(request, "vsftpd_chain", certificate_days=(10, 5)).ok


@pytest.mark.parametrize("name", ["pure_ftpd_data_too"])
def test_unprotected_data_is_refused_where_tls_is_demanded(request: pytest.FixtureRequest, name: str) -> None:
    assert (result := ask(request, name, data_protection="P")).ok, result.text
    result = ask(request, name, data_protection="C")
    assert result.state == State.CRITICAL
    assert "LIST refused: 521 Data connection cannot be opened with this PROT setting." in result.text, result.text

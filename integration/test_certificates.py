"""Each certificate has the age and the signer that its name promises, in the eyes of openssl."""

import subprocess
from pathlib import Path

import pytest

from integration.certificates import OPENSSL, Certificate, Certificates, make_certificates

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def accepts(*arguments: str | Path) -> bool:
    return subprocess.run([OPENSSL, *arguments], capture_output=True, timeout=60).returncode == 0


def is_trusted(ca: Path, certificate: Certificate, *names: str) -> bool:
    return accepts("verify", "-x509_strict", *names, "-CAfile", ca, certificate.path)


def is_valid_for(certificate: Certificate, seconds: int) -> bool:
    return accepts("x509", "-in", certificate.path, "-noout", "-checkend", str(seconds))


@pytest.mark.parametrize("kind", ["good", "expiring", "hours"])
@pytest.mark.parametrize("name", [("-verify_hostname", "good.example"), ("-verify_ip", "127.0.0.1")])
def test_a_signed_certificate_is_trusted_by_its_names(made: Certificates, kind: str, name: tuple[str, str]) -> None:
    certificate: Certificate = getattr(made, kind)
    assert is_trusted(made.ca, certificate, *name)
    assert not is_trusted(made.ca, certificate, name[0], "127.0.0.2" if "ip" in name[0] else "other.example")


@pytest.mark.parametrize("kind", ["expired", "self_signed"])
def test_a_bad_certificate_is_not_trusted(made: Certificates, kind: str) -> None:
    assert not is_trusted(made.ca, getattr(made, kind))


def test_only_the_date_is_wrong_with_the_expired_certificate(made: Certificates) -> None:
    assert accepts("verify", "-x509_strict", "-no_check_time", "-CAfile", made.ca, made.expired.path)


@pytest.mark.parametrize(("kind", "seconds"), [("good", 364 * DAY), ("expiring", 5 * DAY), ("hours", 5 * HOUR)])
def test_a_certificate_lives_as_long_as_its_name_says(made: Certificates, kind: str, seconds: int) -> None:
    certificate: Certificate = getattr(made, kind)
    assert is_valid_for(certificate, seconds)
    assert kind == "good" or not is_valid_for(certificate, seconds + HOUR)


@pytest.mark.parametrize("kind", ["good", "expiring", "hours", "expired", "self_signed"])
def test_the_key_belongs_to_the_certificate(made: Certificates, kind: str) -> None:
    certificate: Certificate = getattr(made, kind)
    of_key = subprocess.check_output([OPENSSL, "pkey", "-in", certificate.key, "-pubout"], timeout=60)
    of_certificate = subprocess.check_output(
        [OPENSSL, "x509", "-in", certificate.path, "-noout", "-pubkey"], timeout=60
    )
    assert of_key == of_certificate

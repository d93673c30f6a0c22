"""The certificates that Icinga 2 makes itself, by its own commands, are accepted where Python is strict."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from integration.monitoring.icinga import program
from integration.servers import UNPACKED
from noidchecks.surveys.report.icinga2 import Icinga2
from tests.support.icinga_api import PASSWORD, USER, Api, strict_certificates
from tests.support.records import record

pytestmark = pytest.mark.root

LIBRARIES = UNPACKED / "usr/lib/x86_64-linux-gnu"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An authority, and the certificate and key of a node, in one file."""
    folder = tmp_path_factory.mktemp("pki")
    request, certificate, key = (folder / name for name in ("node.csr", "node.crt", "node.key"))

    def pki(*words: str | Path) -> None:
        common = (f"-DDataDir={folder}", "-DRunAsUser=root", "-DRunAsGroup=root")
        environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)}
        subprocess.run([program(), "pki", *words, *common], check=True, timeout=60, env=environment)

    pki("new-ca")
    pki("new-cert", "--cn", "localhost", "--key", key, "--csr", request)
    pki("sign-csr", "--csr", request, "--cert", certificate)
    both = folder / "node.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return folder / "ca" / "ca.crt", both


def test_what_icinga_made_is_accepted_and_verified(made: tuple[Path, Path]) -> None:
    authority, node = made
    with Api(node) as api, strict_certificates():
        for url, trouble in ((api.url, ""), (f"https://127.0.0.1:{api.port}", "IP address mismatch")):
            report = Icinga2(url, USER, PASSWORD, str(authority))
            found = report.deliver([record()]).trouble
            report.close()
            assert trouble in found
            assert bool(trouble) == bool(found)

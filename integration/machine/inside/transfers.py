"""Real clients through the farms of this machine: every kind of data connection, both families, both modes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from integration.clients import Data, Errand, Target, Visit, curl_ftp, curl_tftp, sftp, sha256, tftp_hpa
from integration.lab import Lab, vip
from integration.machine.inside.report import Report

Mode = Literal["snat", "dnat"]
# 20 kB: each packet costs a millisecond in here.
_FILE = "small"


def prove(report: Report, lab: Lab, when: str, modes: Sequence[Mode] = ("snat", "dnat")) -> None:
    """Fetches a file by each way, and brings one over FTP; the farms of each mode have VIPs of their own."""
    for mode in modes:
        for version in (4, 6):
            host = address(version, mode)
            for data in Data:
                if version == 4 or data.is_extended:
                    with report.step(f"{when}: FTP {data.name} over IPv{version}, {mode}") as say:
                        say(_ftp(lab, host, data))
            with report.step(f"{when}: TFTP over IPv{version}, {mode}") as say:
                target = Target(host=host, port=69)
                errand = Errand(listing=False, get=("name", _FILE))
                say(_checked(lab, curl_tftp(lab.client, target, errand)))
                say(_checked(lab, tftp_hpa(lab.client, target, errand)))
            with report.step(f"{when}: SFTP over IPv{version}, {mode}") as say:
                say(_sftp(lab, host))


def address(version: int, mode: Mode) -> str:
    """Returns the VIP of the farms of a mode."""
    return vip(version, 0 if mode == "snat" else 1)


def _ftp(lab: Lab, host: str, data: Data) -> str:
    upload = f"upload/{data.name}-{host}"
    source = lab.backends[0].files / _FILE
    errand = Errand(get=("name", _FILE), put={upload: source})
    visit = curl_ftp(lab.client, Target(host=host, port=21, data=data), errand)
    if {one.name for one in Data if one.name in visit.commands} != {data.name}:
        raise RuntimeError(f"not by {data.name}: {visit.output}")
    name = _checked(lab, visit)
    uploaded = next(backend for backend in lab.backends if backend.name == name).files / upload
    if sha256(uploaded) != sha256(source):
        raise RuntimeError(f"what was brought is another file: {visit.output}")
    uploaded.unlink()
    return name


def _sftp(lab: Lab, host: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder, "known_hosts")
        errand = Errand(get=("name", _FILE))
        return _checked(
            lab, sftp(lab.client, Target(host=host, port=22), errand, key=lab.keys.user, known_hosts=known, greeted=60)
        )


def _checked(lab: Lab, visit: Visit) -> str:
    """Returns the backend's name; RuntimeError unless the file came as it is."""
    if visit.sha256.get(_FILE) != sha256(lab.backends[0].files / _FILE):
        raise RuntimeError(f"exit code {visit.code}: {visit.output}")
    return visit.backend

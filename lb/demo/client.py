"""The client of the demonstration: fetches one file in each way through the VIP, with other people's libraries."""

from __future__ import annotations

import ftplib
import io
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import paramiko
from noidlb.demo.scene import FILE
from tftpy import TftpClient

_PATIENCE = 5


def ftp(host: str, *, passive: bool) -> str:
    """Fetches the file over FTP."""
    found = io.BytesIO()
    with ftplib.FTP(host, timeout=_PATIENCE) as session:  # noqa: S321  # FTP is what is shown
        session.login()
        session.set_pasv(passive)
        session.retrbinary(f"RETR {FILE}", found.write)
    return found.getvalue().decode()


def tftp(host: str) -> str:
    """Fetches the file over TFTP."""
    with TemporaryDirectory(prefix="noidlb-demo-") as folder:
        target = Path(folder) / FILE
        TftpClient(host, 69).download(FILE, str(target), timeout=_PATIENCE)
        return target.read_text()


def sftp(host: str) -> str:
    """Fetches the file over SFTP."""
    transport = paramiko.Transport((host, 22))
    try:
        transport.connect(username="demo", password="demo")  # noqa: S106  # the server lets everybody in
        session = paramiko.SFTPClient.from_transport(transport)
        assert session is not None  # noqa: S101  # None only for a transport that is closed
        with session.open(FILE) as file:
            return str(file.read().decode())
    finally:
        transport.close()


WAYS: dict[str, Callable[[str], str]] = {
    "FTP passive": lambda host: ftp(host, passive=True),
    "FTP active": lambda host: ftp(host, passive=False),
    "TFTP": tftp,
    "SFTP": sftp,
}


def main(host: str) -> None:
    """Fetches in every way, once for each line of standard input, and prints what came as a line of JSON.

    It stays, because loading its libraries takes longer than what it shows.
    """
    logging.disable()
    for _ in sys.stdin:
        answers = {}
        for way, fetch in WAYS.items():
            began = time.monotonic()
            try:
                served = fetch(host).strip()
                problem = ""
            except Exception as error:
                served, problem = "", f"{type(error).__name__}: {error}"
            answers[way] = {"by": served, "problem": problem, "seconds": time.monotonic() - began}
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What is fuzzed: each target takes any bytes, and raises for nothing but a fault of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noidchecks import (
    Active,
    File,
    FtpProbe,
    Listing,
    Login,
    PeerError,
    ProbeError,
    Range,
    SshProbe,
    TftpFile,
    TftpProbe,
    TlsError,
    UsageError,
    parse_line,
    printable,
)
from noidchecks.dialogue.certificate import judge_days
from noidchecks.dialogue.x509 import fingerprints, read
from noidchecks.plugin.plugin import PLUGINS
from noidchecks.ssh import kexinit
from tests.fuzz import sftp
from tests.fuzz.stage import SECRET, Finding, play

CORPUS = Path(__file__).parent / "corpus"
_LOGIN = Login("monitor", SECRET)
_GET = File("f", size=Range(1, 9), sha256="0" * 64, contains=b"x", max_age=3600)

_FTP = (
    FtpProbe("h"),
    FtpProbe("h", expect=(b"220", b"ready"), match_all=True, send=b"HELP\r\n"),
    FtpProbe("h", login=_LOGIN, data="passive"),
    FtpProbe("h", login=_LOGIN, data="active", active=Active("192.0.2.9", (1024, 65535))),
    FtpProbe("h", login=_LOGIN, data="both", listing=Listing("in", max_files=2), get=_GET),
    FtpProbe("h", login=_LOGIN, get=_GET, put="in", show_phases=True),
    FtpProbe("h", family=10, login=_LOGIN, listing=Listing(), put=""),
    FtpProbe("h", tls="explicit", certificate_days=(30, 7)),
)
_TFTP = (
    TftpProbe("h"),
    TftpProbe("h", "f", retries=1),
    TftpProbe("h", "f", blksize=8, tsize=True, windowsize=4, size=Range(1, 9), sha256="0" * 64),
    TftpProbe("h", "f", mode="netascii", limit=100),
    TftpProbe("h", "f", further=(TftpFile("g", sha1="0" * 40),), foreign_answer=_FTP[0].foreign_pasv),
    TftpProbe("h", "f", expect_error=1),
    TftpProbe("h", put="p", put_size=600),
    TftpProbe("h", put="p", put_size=20, blksize=8, windowsize=2, tsize=True, read_back=False),
)
_SSH = (
    SshProbe("h"),
    SshProbe("h", remote_version="OpenSSH_9.2p1", remote_protocol="2.0", version_pattern="Open.*(9|8)"),
    SshProbe("h", min_version="9.6p1"),
    SshProbe("h", algorithms=True),
    SshProbe("h", policy="modern", show_phases=True),
    SshProbe("h", forbid=("cipher:*cbc*", "*sha1*"), require=("kex:*25519*",)),
)


def _dialogues(*probes: Any) -> Callable[[bytes], object]:
    def run(raw: bytes) -> None:
        if raw:
            play(probes[raw[0] % len(probes)], raw[1:])

    return run


def _certificate(der: bytes) -> None:
    try:
        certificate = read(der)
        part = judge_days((certificate,), 30, 7)
    except TlsError as error:
        text = printable(error.message)
    else:
        text = part.text
    if not text.isprintable():
        raise Finding(text)
    fingerprints(der)


def _kexinit(raw: bytes) -> None:
    reader = kexinit.PacketReader(raw)
    try:
        while (payload := reader.next()) is not None:
            if payload[0] == kexinit.DISCONNECT:
                kexinit.disconnect_reason(payload)
            else:
                kexinit.Kexinit.parse(payload)
    except (kexinit.Malformed, PeerError):
        pass


def _values(raw: bytes) -> None:
    """What an operator writes, or a program: ranges, command lines."""
    text = raw.decode("utf-8", "surrogateescape")
    if not printable(raw).isprintable() or not printable(text, 80).isprintable():
        raise Finding(repr(text))
    try:
        Range.parse(text)
    except ValueError:
        pass
    for plugin in PLUGINS:
        # Not those options that read a file.
        if any(word in text for word in ("file", "ext", "@", "known", "-i", "-I", "key")):
            continue
        try:
            parse_line(f"{plugin} {text}")
        except UsageError as error:
            if "\0" in str(error):
                raise Finding(str(error)) from error
        except ProbeError as error:
            raise Finding(repr(error)) from error
        except Exception as error:
            if type(error).__name__ != "InformationWanted":
                raise


@dataclass(frozen=True, slots=True)
class Target:
    """A target and the committed inputs that it begins with."""

    name: str
    run: Callable[[bytes], object]

    def corpus(self) -> list[bytes]:
        """Returns the committed inputs."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).iterdir())]


TARGETS = {
    name: Target(name, run)
    for name, run in (
        ("ftp", _dialogues(*_FTP)),
        ("tftp", _dialogues(*_TFTP)),
        ("ssh", _dialogues(*_SSH)),
        ("kexinit", _kexinit),
        ("sftp", sftp.answers),
        ("frames", sftp.worker_frames),
        ("messages", sftp.messages),
        ("certificate", _certificate),
        ("values", _values),
    )
}

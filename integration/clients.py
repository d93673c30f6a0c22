"""Real clients of FTP, TFTP and SFTP, run in the namespace of a client: what they fetched and what they said."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Protocol

from integration.lab.namespace import Namespace

PATIENCE = 120.0
TIMED_OUT = 124
"""The code of a visit whose program had to be ended, as timeout(1) has it."""


class Data(Enum):
    """How an FTP client asks for its data connections."""

    PASV = "PASV"
    EPSV = "EPSV"
    PORT = "PORT"
    EPRT = "EPRT"

    @classmethod
    def usual(cls, version: int, *, passive: bool) -> Data:
        """Returns what clients without options take: the older command in IPv4, which RFC 2428 has replaced in IPv6."""
        return (cls.PASV if passive else cls.PORT) if version == 4 else (cls.EPSV if passive else cls.EPRT)

    @property
    def is_passive(self) -> bool:
        """Whether the client makes the data connections."""
        return self in (Data.PASV, Data.EPSV)

    @property
    def is_extended(self) -> bool:
        """Whether it is one of RFC 2428, which alone are for IPv6 too."""
        return self in (Data.EPSV, Data.EPRT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What to do on one session: list a folder, then get files, then put local files under new names.

    `rate` slows curl down to so many bytes in a second, written as in "20M".
    """

    listing: bool = True
    get: Sequence[str] = ("name",)
    put: Mapping[str, Path] = field(default_factory=dict)
    rate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to go, and how; `ca` asks for TLS, and vouches for the server."""

    host: str
    port: int
    data: Data = Data.EPSV
    ca: Path | None = None

    @property
    def authority(self) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What came of an errand: exit code, everything that was printed, and the checksums of the files that came."""

    code: int
    output: str
    listing: str
    backend: str
    """What the file `name` said, if it came."""
    sha256: Mapping[str, str]

    @property
    def commands(self) -> list[str]:
        """The commands of FTP that the client sent, as far as it says so."""
        return re.findall(r"^(?:> |-+> )([A-Z]{3,4})\b", self.output, re.MULTILINE)


class FtpClient(Protocol):
    """A program that runs an errand on one control connection, without ever raising."""

    def __call__(self, client: Namespace, target: Target, errand: Errand, *, timeout: float = PATIENCE) -> Visit: ...


def sha256(path: Path) -> str:
    """Returns the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def curl_ftp(client: Namespace, target: Target, errand: Errand, *, timeout: float = PATIENCE) -> Visit:
    """Runs curl, which believes the address in an answer to PASV.

    What is refused makes it try the older command on its own: see `commands`.
    """
    folder = _folder()
    url = f"ftp://{target.authority}/"
    common = ["-v", "--no-ftp-skip-pasv-ip", "--connect-timeout", "5"]
    common += {
        Data.PASV: ["--disable-epsv"],
        Data.EPSV: [],
        Data.PORT: ["-P", "-", "--disable-eprt"],
        Data.EPRT: ["-P", "-"],
    }[target.data]
    if target.ca is not None:
        common += ["--ssl-reqd", "--cacert", str(target.ca), "--resolve", f"good.example:{target.port}:{target.host}"]
        url = f"ftp://good.example:{target.port}/"
    if errand.rate is not None:
        common += ["--limit-rate", errand.rate]
    transfers = [[url, "-o", str(folder / "listing")]] if errand.listing else []
    transfers += [[url + name, "-o", str(folder / Path(name).name)] for name in errand.get]
    transfers += [[url + name, "-T", str(path)] for name, path in errand.put.items()]
    argv = ["curl", "-sS", "--fail-early"]
    for transfer in transfers:
        argv += [*common, *transfer, "--next"]
    return _visit(client, argv[:-1], "", folder, timeout)


def lftp(client: Namespace, target: Target, errand: Errand, *, timeout: float = PATIENCE) -> Visit:
    """Runs lftp."""
    settings = {
        "net:timeout": "5",
        "net:max-retries": "1",
        "net:reconnect-interval-base": "1",
        "ftp:passive-mode": "yes" if target.data.is_passive else "no",
        "ftp:auto-passive-mode": "no",
        "ftp:prefer-epsv": "yes" if target.data is Data.EPSV else "no",
        "ftp:fix-pasv-address": "no",
        "ftp:use-mdtm": "no",
        "ftp:sync-mode": "yes",
        "ftp:ssl-allow": "no" if target.ca is None else "yes",
        "cmd:fail-exit": "yes",
        "cmd:interactive": "no",
    }
    if target.ca is not None:
        settings |= {
            "ftp:ssl-force": "yes",
            "ftp:ssl-protect-data": "yes",
            "ftp:ssl-allow-anonymous": "yes",
            "ssl:ca-file": str(target.ca),
            # It has no way to connect to an address and check a name.
            "ssl:check-hostname": "no",
        }
    folder = _folder()
    lines = [f"set {name} {value}" for name, value in settings.items()]
    lines += ["debug 5", f"open -u anonymous,lab@example.net ftp://{target.authority}"]
    lines += [f"cls -l > {folder}/listing"] if errand.listing else []
    lines += [f"get {name} -o {folder}/{Path(name).name}" for name in errand.get]
    lines += [f"put {path} -o {name}" for name, path in errand.put.items()]
    return _visit(client, ["lftp", "--norc", "-f", _script(folder, lines)], "", folder, timeout)


def classic_ftp(client: Namespace, target: Target, errand: Errand, *, timeout: float = PATIENCE) -> Visit:
    """Runs the ftp program of the BSDs with a script; its exit code says nothing, what came does."""
    folder = _folder()
    # epsv4 stands for EPRT too, and is on at first.
    lines = [] if target.data.is_extended or ":" in target.host else ["epsv4"]
    lines += ["prompt", "user anonymous lab@example.net", "binary"]
    lines += [f"ls . {folder}/listing"] if errand.listing else []
    lines += [f"get {name} {folder}/{Path(name).name}" for name in errand.get]
    lines += [f"put {path} {name}" for name, path in errand.put.items()]
    argv = ["tnftp", "-n", "-v", "-d", "-p" if target.data.is_passive else "-A", "-q", "10"]
    opened = [f"open {target.host} {target.port}"]
    return _visit(client, argv, "\n".join((*opened, *lines, "bye", "")), folder, timeout)


def sftp(
    client: Namespace,
    target: Target,
    errand: Errand,
    *,
    key: Path,
    known_hosts: Path,
    greeted: int = 5,
    timeout: float = PATIENCE,
) -> Visit:
    """Runs sftp as root with a key; the host key is taken in on the first visit and must stay the same.

    `greeted` is in how many seconds the server's greeting must have come.
    """
    folder = _folder()
    lines = ["ls -l"] if errand.listing else []
    lines += [f"get {name} {folder}/{Path(name).name}" for name in errand.get]
    lines += [f"put {path} {name}" for name, path in errand.put.items()]
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(greeted),
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
    }
    argv: list[str | Path] = ["sftp", "-F", "/dev/null", "-P", str(target.port), "-b", _script(folder, lines)]
    argv += [f"-o{name}={value}" for name, value in options.items()]
    host = f"[{target.host}]" if ":" in target.host else target.host
    visit = _visit(client, [*argv, f"root@{host}"], "", folder, timeout)
    return replace(visit, listing=visit.output)


def curl_tftp(
    client: Namespace, target: Target, errand: Errand, *, blksize: int = 1428, timeout: float = PATIENCE
) -> Visit:
    """Runs curl, which sends the options tsize, blksize and timeout."""
    folder = _folder()
    url = f"tftp://{target.authority}/"
    transfers = [[url + name, "-o", str(folder / Path(name).name)] for name in errand.get]
    transfers += [[url + name, "-T", str(path)] for name, path in errand.put.items()]
    argv = ["curl", "-sS", "--fail-early"]
    for transfer in transfers:
        argv += ["--connect-timeout", "10", "--tftp-blksize", str(blksize), *transfer, "--next"]
    return _visit(client, argv[:-1], "", folder, timeout)


def tftp_hpa(client: Namespace, target: Target, errand: Errand, *, timeout: float = PATIENCE) -> Visit:
    """Runs the classic tftp, without any options."""
    folder = _folder()
    lines = ["mode binary"]
    lines += [f"get {name} {folder}/{Path(name).name}" for name in errand.get]
    lines += [f"put {path} {name}" for name, path in errand.put.items()]
    argv = ["tftp", "-6" if ":" in target.host else "-4", target.host, str(target.port)]
    return _visit(client, argv, "\n".join((*lines, "quit", "")), folder, timeout)


def atftp(
    client: Namespace, target: Target, errand: Errand, *, blksize: int = 1428, timeout: float = PATIENCE
) -> Visit:
    """Runs atftp, once for each file, until one fails."""
    folder = _folder()
    words = [["--get", "-r", name, "-l", str(folder / Path(name).name)] for name in errand.get]
    words += [["--put", "-r", name, "-l", str(path)] for name, path in errand.put.items()]
    # The shell runs them in turn, each as an argument list of its own.
    program = ["atftp", "--option", f"blksize {blksize}"]
    lines = [shlex.join([*program, *transfer, target.host, str(target.port)]) for transfer in words]
    return _visit(client, ["/bin/sh", "-e", _script(folder, lines)], "", folder, timeout)


def _visit(client: Namespace, argv: Sequence[str | Path], stdin: str, folder: Path, timeout: float) -> Visit:
    try:
        done = client.run(argv, stdin=stdin, check=False, timeout=timeout)
    except TimeoutError as error:
        return _result(folder, TIMED_OUT, str(error))
    return _result(folder, done.returncode, done.stdout + done.stderr)


def _result(folder: Path, code: int, output: str) -> Visit:
    listing, name = folder / "listing", folder / "name"
    visit = Visit(
        code=code,
        output=output,
        listing=listing.read_text(errors="replace") if listing.exists() else "",
        backend=name.read_text(errors="replace") if name.exists() else "",
        sha256={path.name: sha256(path) for path in folder.iterdir() if path != listing},
    )
    # It lies in memory, and visits are many.
    shutil.rmtree(folder)
    return visit


def _folder() -> Path:
    # In the memory that integration/run mounts: even after kill -9 nothing is left.
    return Path(tempfile.mkdtemp(prefix="visit-", dir="/run"))


def _script(folder: Path, lines: Sequence[str]) -> Path:
    path = folder / "script"
    path.write_text("\n".join((*lines, "")))
    return path

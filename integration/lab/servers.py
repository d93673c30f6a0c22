"""The servers of the lab: each serves a folder from inside a namespace, on all of its addresses."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from integration.certificates import Certificate
from integration.daemon import Daemon
from integration.lab.namespace import Namespace
from integration.servers import (
    UNPACKED,
    proftpd_lines,
    pure_ftpd_words,
    ssh_key,
    sshd_lines,
    vsftpd_settings,
    vsftpd_tls,
)

_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server runs, what it serves, and an empty folder for what it writes besides."""

    namespace: Namespace
    files: Path
    folder: Path


class Server:
    """A running server, and what may happen to it."""

    def __init__(self, place: Place, argv: list[str | Path], ready: Callable[[Daemon], None]) -> None:
        self._namespace = place.namespace
        self._ready = ready
        with place.namespace.entered():
            self.daemon = Daemon(argv, place.folder)

    def wait(self) -> None:
        """Waits until it answers."""
        with self._namespace.entered():
            self._ready(self.daemon)

    def hang(self) -> None:
        """Stops it in its tracks: the kernel still accepts connections for it, nobody talks on them."""
        os.kill(self.daemon.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Lets it go on."""
        os.kill(self.daemon.pid, signal.SIGCONT)

    def run(self, argv: Sequence[str | Path]) -> None:
        """Runs a program that sees the mounts of this server."""
        inside: list[str | Path] = ["nsenter", f"--target={self.daemon.pid}", "--mount", "--", *argv]
        subprocess.run(inside, check=True, timeout=60)

    def kill(self) -> None:
        """Ends it and its sessions at once; its port refuses from then on."""
        self.daemon.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How an FTP server speaks TLS; `announce` is the address in its answer to PASV, where that must not be its own."""

    certificate: Certificate
    announce: str | None = None


def vsftpd(
    place: Place,
    passive: tuple[int, int],
    port: int = 21,
    tls: Tls | None = None,
    announce: str | None = None,
    extra: Mapping[str, str | int | Path] | None = None,
) -> Server:
    """Starts vsftpd; with TLS it demands TLS of everything, and a data connection that resumes the session.

    `announce` is the address in its answer to PASV, where that must not be its own; `extra` are of vsftpd.conf(5).
    """
    announced = announce if tls is None else tls.announce
    # With one socket for both families vsftpd would announce 0.0.0.0 in place of a configured address.
    both = announced is None
    settings = vsftpd_settings(place.folder, place.files, port) | {
        "listen": "NO" if both else "YES",
        "listen_ipv6": "YES" if both else "NO",
        "write_enable": "YES",
        "anon_upload_enable": "YES",
        "anon_umask": "022",
        "pasv_min_port": passive[0],
        "pasv_max_port": passive[1],
        "connect_from_port_20": "YES",
    }
    if tls is not None:
        settings |= vsftpd_tls(tls.certificate) | {
            "force_anon_logins_ssl": "YES",
            "force_anon_data_ssl": "YES",
            "require_ssl_reuse": "YES",
        }
    if announced is not None:
        settings["pasv_address"] = announced
    settings |= extra or {}
    configuration = _write(place, "vsftpd.conf", (f"{key}={value}" for key, value in settings.items()))
    return Server(place, ["/usr/sbin/vsftpd", configuration], _tcp(port, (4, 6) if both else (4,)))


def proftpd(place: Place, passive: tuple[int, int], port: int = 21, extra: Iterable[str] = ()) -> Server:
    """Starts ProFTPD; unlike the others it opens active data connections from any port.

    `extra` are lines of proftpd.conf(5).
    """
    lines = [
        # Else it looks for the address of the name of this machine, which may have none.
        "DefaultAddress 127.0.0.1",
        "DefaultServer on",
        f"PassivePorts {passive[0]} {passive[1]}",
        *proftpd_lines(place.folder, place.files, port),
        *extra,
    ]
    configuration = _write(place, "proftpd.conf", lines)
    argv: list[str | Path] = [UNPACKED / "usr/sbin/proftpd", "--nodaemon", "--quiet", "--config", configuration]
    return Server(place, argv, _tcp(port))


def pure_ftpd(place: Place, passive: tuple[int, int], port: int = 21) -> Server:
    """Starts Pure-FTPd."""
    argv = pure_ftpd_words(place.folder, place.files, port)
    argv += ["--passiveportrange", f"{passive[0]}:{passive[1]}"]
    return Server(place, argv, _tcp(port))


FTP: Mapping[str, Callable[[Place, tuple[int, int]], Server]] = {
    "vsftpd": vsftpd,
    "proftpd": proftpd,
    "pure-ftpd": pure_ftpd,
}


def tftpd_hpa(place: Place, port: int = 69) -> Server:
    """Starts tftpd-hpa, which takes new files too."""
    options = ["--foreground", "--address", f":{port}", "--user", "tftp", "--create", "--permissive", "--umask", "022"]
    return Server(place, ["/usr/sbin/in.tftpd", *options, "--secure", place.files], _tftp(port, (4, 6)))


def atftpd(place: Place, port: int = 69) -> Server:
    """Starts atftpd; it does not answer on IPv6."""
    options = ["--daemon", "--no-fork", "--port", str(port), "--user", "nobody.nogroup", "--logfile", "-"]
    return Server(place, [UNPACKED / "usr/sbin/atftpd", *options, place.files], _tftp(port, (4,)))


TFTP: Mapping[str, Callable[[Place], Server]] = {"tftpd-hpa": tftpd_hpa, "atftpd": atftpd}


@dataclass(frozen=True, slots=True)
class Keys:
    """What all sshd of a lab share, as the backends of one farm must: a host key; and the key of the user root."""

    host: Path
    user: Path

    @classmethod
    def make(cls, folder: Path) -> Keys:
        """Makes both in a folder."""
        return cls(ssh_key(folder / "host_key"), ssh_key(folder / "user_key"))


def sshd(place: Place, keys: Keys, port: int = 22, extra: Iterable[str] = (), *, max_startups: str = "100") -> Server:
    """Starts sshd for SFTP alone; `extra` are lines of sshd_config(5), which go before its own."""
    lines = [
        # The first value of a keyword counts.
        *extra,
        *sshd_lines(port, keys.host, keys.user),
        "UseDNS no",
        f"MaxStartups {max_startups}",
        f"Subsystem sftp internal-sftp -d {place.files}",
    ]
    argv: list[str | Path] = ["/usr/sbin/sshd", "-D", "-e", "-f", _write(place, "sshd_config", lines)]
    return Server(place, argv, _tcp(port))


def _tcp(port: int, versions: Iterable[int] = (4, 6)) -> Callable[[Daemon], None]:
    return lambda daemon: daemon.wait_for_tcp([_LOOPBACK[version] for version in versions], port)


def _tftp(port: int, versions: Iterable[int]) -> Callable[[Daemon], None]:
    return lambda daemon: daemon.wait_for_tftp([_LOOPBACK[version] for version in versions], port)


def _write(place: Place, name: str, lines: Iterable[str]) -> Path:
    path = place.folder / name
    path.write_text("\n".join((*lines, "")))
    return path

"""The real servers, each with a configuration of our own, running until its `with` block ends."""

import os
import pwd
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from integration.certificates import Certificate
from integration.daemon import Daemon

HOST = "127.0.0.1"
HOST6 = "::1"
FILES = {"hello.txt": b"Hello, world.\n", "blocks.bin": bytes(range(256)) * 4}
"""What every server serves. The second is two full TFTP blocks, so that an empty third one ends its transfer."""
BANNER = "Welcome to the lab.\n220 is not the end of this greeting\nBe kind.\n"
"""A greeting of several lines, one of which a hasty client takes for the last."""

UNPACKED = Path(__file__).parent / ".cache" / "servers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a running server answers, and what it serves; `host6` is None where it cannot do IPv6."""

    daemon: Daemon
    port: int
    files: Path
    host: str = HOST
    host6: str | None = HOST6


@dataclass(frozen=True, slots=True, kw_only=True)
class SshServer(Server):
    """An sshd with its public key, and the private key of the one user that it lets in."""

    host_key: Path
    user: str
    user_key: Path


def free_port() -> int:
    """Finds a port free for TCP and UDP in both families, below the range that the kernel gives to clients."""
    families = (socket.AF_INET, socket.AF_INET6)
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if all(_is_free(family, kind, port) for family in families for kind in kinds):
            return port


@contextmanager
def vsftpd(
    folder: Path,
    port: int,
    *,
    explicit: Certificate | None = None,
    implicit: Certificate | None = None,
    banner: str | None = None,
    max_clients: int = 0,
    writable: Literal["", "keep", "delete"] = "",
    more: Mapping[str, str | Path] | None = None,
) -> Iterator[Server]:
    """Runs vsftpd in an empty folder; `banner` may have several lines, and 0 clients are no limit.

    `more` are further settings, as in vsftpd.conf(5).

    `writable` gives it a folder `up` in which files can be stored and then be deleted, or must be kept.
    """
    files = _serve(folder)
    settings = vsftpd_settings(folder, files, port) | {"max_clients": max_clients}
    if writable:
        (files / "up").mkdir()
        ftp = pwd.getpwnam("ftp")
        os.chown(files / "up", ftp.pw_uid, ftp.pw_gid)
        settings |= {
            "write_enable": "YES",
            "anon_upload_enable": "YES",
            "anon_other_write_enable": "YES" if writable == "delete" else "NO",
            "anon_umask": "022",
        }
    if banner is not None:
        settings["banner_file"] = _write(folder / "banner", banner)
    if certificate := explicit or implicit:
        settings |= vsftpd_tls(certificate)
        settings |= {"implicit_ssl": "YES" if implicit else "NO", "require_ssl_reuse": "NO"}
    settings |= more or {}
    configuration = _write(folder / "vsftpd.conf", "".join(f"{key}={value}\n" for key, value in settings.items()))
    with Daemon(["/usr/sbin/vsftpd", configuration], folder) as daemon:
        daemon.wait_for_tcp((HOST, HOST6), port)
        yield Server(daemon=daemon, port=port, files=files)


@contextmanager
def proftpd(
    folder: Path,
    port: int,
    *,
    explicit: Certificate | None = None,
    implicit: Certificate | None = None,
    banner: str | None = None,
    protocol: str = "",
) -> Iterator[Server]:
    """Runs ProFTPD in an empty folder; `banner` may have several lines, which come before its own one.

    `protocol` is the only version of TLS, as in TLSv1.2.

    After the end of a session it accepts nothing for up to 0.4 s.
    """
    files = _serve(folder)
    lines = [
        *proftpd_lines(folder, files, port),
        f"DefaultAddress {HOST} {HOST6}",
        "SocketBindTight on",
    ]
    if banner is not None:
        lines.append(f"DisplayConnect {_write(folder / 'banner', banner)}")
    if certificate := explicit or implicit:
        lines += [
            "LoadModule mod_tls.c",
            "TLSEngine on",
            f"TLSRSACertificateFile {certificate.path}",
            f"TLSRSACertificateKeyFile {certificate.key}",
            f"TLSOptions NoSessionReuseRequired{' UseImplicitSSL' if implicit else ''}",
            f"TLSLog {folder}/tls.log",
        ]
        if protocol:
            lines.append(f"TLSProtocol {protocol}")
    configuration = _write(folder / "proftpd.conf", "\n".join([*lines, ""]))
    argv: list[str | Path] = [UNPACKED / "usr/sbin/proftpd", "--nodaemon", "--quiet", "--config", configuration]
    with Daemon(argv, folder) as daemon:
        daemon.wait_for_tcp((HOST, HOST6), port)
        yield Server(daemon=daemon, port=port, files=files)


@contextmanager
def pure_ftpd(
    folder: Path, port: int, *, explicit: Certificate | None = None, tls: Literal[1, 2, 3] = 1
) -> Iterator[Server]:
    """Runs Pure-FTPd in an empty folder; it has no implicit TLS: 2 demands TLS of a login, 3 of the data too."""
    files = _serve(folder)
    argv = pure_ftpd_words(folder, files, port)
    if explicit:
        argv += ["--tls", str(tls), "--certfile", f"{explicit.path},{explicit.key}"]
    with Daemon(argv, folder) as daemon:
        daemon.wait_for_tcp((HOST, HOST6), port)
        yield Server(daemon=daemon, port=port, files=files)


@contextmanager
def tftpd_hpa(folder: Path, port: int) -> Iterator[Server]:
    """Runs tftpd-hpa in an empty folder."""
    files = _serve(folder)
    argv: list[str | Path] = [
        "/usr/sbin/in.tftpd",
        "--foreground",
        "--address",
        f":{port}",
        "--user",
        "tftp",
        "--secure",
        files,
    ]
    with Daemon(argv, folder) as daemon:
        daemon.wait_for_tftp((HOST, HOST6), port)
        yield Server(daemon=daemon, port=port, files=files)


@contextmanager
def atftpd(folder: Path, port: int) -> Iterator[Server]:
    """Runs atftpd in an empty folder; it does not answer on IPv6."""
    files = _serve(folder)
    argv: list[str | Path] = [
        UNPACKED / "usr/sbin/atftpd",
        "--daemon",
        "--no-fork",
        "--bind-address",
        HOST,
        "--port",
        str(port),
    ]
    argv += ["--user", "nobody.nogroup", "--logfile", "-", files]
    with Daemon(argv, folder) as daemon:
        daemon.wait_for_tftp((HOST,), port)
        yield Server(daemon=daemon, port=port, files=files, host6=None)


@contextmanager
def sshd(
    folder: Path,
    port: int,
    *,
    version_addendum: str | None = None,
    max_startups: str | None = None,
    more: Sequence[str] = (),
    sftp: bool = True,
) -> Iterator[SshServer]:
    """Runs sshd in an empty folder, with keys of its own; `max_startups` and more are written as in sshd_config(5).

    What more says comes first, and so counts; without sftp it has no SFTP but what more gives it.
    """
    files = _serve(folder)
    host_key = ssh_key(folder / "host_key")
    user_key = ssh_key(folder / "user_key")
    lines = [
        *(line for line in more if not line.startswith("Match")),
        f"ListenAddress {HOST}",
        f"ListenAddress {HOST6}",
        *sshd_lines(port, host_key, user_key),
    ]
    if sftp:
        lines.append(f"Subsystem sftp internal-sftp -d {files}")
    if version_addendum is not None:
        lines.append(f"VersionAddendum {version_addendum}")
    if max_startups is not None:
        lines.append(f"MaxStartups {max_startups}")
    # A match lasts to the next one, or to the end.
    lines += [line for match in more if match.startswith("Match") for line in match.split("; ")]
    configuration = _write(folder / "sshd_config", "\n".join([*lines, ""]))
    with Daemon(["/usr/sbin/sshd", "-D", "-e", "-f", configuration], folder) as daemon:
        daemon.wait_for_tcp((HOST, HOST6), port)
        public = host_key.with_suffix(".pub")
        yield SshServer(daemon=daemon, port=port, files=files, host_key=public, user="root", user_key=user_key)


def vsftpd_settings(folder: Path, files: Path, port: int) -> dict[str, str | int | Path]:
    """Returns what vsftpd.conf(5) must say of a server of anonymous users that stays in the foreground."""
    empty = folder / "empty"
    empty.mkdir()
    return {
        "background": "NO",
        "listen": "NO",
        "listen_ipv6": "YES",
        "listen_port": port,
        "anonymous_enable": "YES",
        "anon_root": files,
        "secure_chroot_dir": empty,
        # Namespaces cost each session milliseconds; the sandbox knows the system calls of 2015.
        "isolate": "NO",
        "isolate_network": "NO",
        "seccomp_sandbox": "NO",
    }


def vsftpd_tls(certificate: Certificate) -> dict[str, str | int | Path]:
    """Returns what vsftpd.conf(5) must say for TLS."""
    return {
        "ssl_enable": "YES",
        "rsa_cert_file": certificate.path,
        "rsa_private_key_file": certificate.key,
        "allow_anon_ssl": "YES",
    }


def proftpd_lines(folder: Path, files: Path, port: int) -> list[str]:
    """Returns what proftpd.conf(5) must say of a server of anonymous users."""
    return [
        "ServerType standalone",
        f"Port {port}",
        "UseIPv6 on",
        "User nobody",
        "Group nogroup",
        f"PidFile {folder}/pid",
        f"ScoreboardFile {folder}/scoreboard",
        f"SystemLog {folder}/log",
        "TransferLog none",
        "WtmpLog off",
        "UseReverseDNS off",
        "DelayEngine off",
        f"ModulePath {UNPACKED}/usr/lib/proftpd",
        f"<Anonymous {files}>",
        "  User ftp",
        "  UserAlias anonymous ftp",
        "  RequireValidShell off",
        "</Anonymous>",
    ]


def pure_ftpd_words(folder: Path, files: Path, port: int) -> list[str | Path]:
    """Returns the command that starts Pure-FTPd for anonymous users."""
    # It serves the home of the account "ftp" and no other folder, so that ours has to be mounted there.
    mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    words: list[str | Path] = ["/bin/sh", "-c", mount, "mount", files, pwd.getpwnam("ftp").pw_dir]
    words += [UNPACKED / "usr/sbin/pure-ftpd", "--bind", str(port), "--anonymousonly", "--dontresolve"]
    return [*words, "--pidfile", folder / "pid"]


def sshd_lines(port: int, host_key: Path, user_key: Path) -> list[str]:
    """Returns what sshd_config(5) must say of a server that lets root in with one key."""
    # Compiled in as the folder that its unprivileged process is locked in; /run is empty here.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return [
        f"Port {port}",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {user_key}.pub",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "PidFile none",
    ]


def _serve(folder: Path) -> Path:
    # Servers read as users of their own, and pytest's folders are closed to those.
    folder.chmod(0o755)
    files = folder / "files"
    files.mkdir()
    files.chmod(0o755)
    for name, content in FILES.items():
        (files / name).write_bytes(content)
    return files


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def ssh_key(path: Path) -> Path:
    """Makes a key and its public half beside it."""
    subprocess.run(
        ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True, timeout=60
    )
    return path


def _is_free(family: int, kind: int, port: int) -> bool:
    with socket.socket(family, kind) as candidate:
        if family == socket.AF_INET6:
            candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            candidate.bind(("", port))
        except OSError:
            return False
        return True

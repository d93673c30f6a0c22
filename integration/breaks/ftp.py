"""What can break of an FTP server."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from integration.breaks.scene import REPORT, Scene, Stages, Where, breaks, changed_file, replaced_disk
from integration.lab import servers
from integration.lab.faults import BLACKHOLE, NO_ACTIVE_DATA, NO_PASSIVE_DATA, fault
from integration.lab.servers import Place, Server
from integration.servers import UNPACKED

PORT = 2100
FTP = Where(port=PORT)
HELD = b"220"


def vsftpd(scene: Scene, announce: str | None = None, **settings: str | int) -> Callable[[Place], Server]:
    """Prepares a vsftpd with settings of vsftpd.conf(5)."""
    return lambda place: servers.vsftpd(place, scene.backend.passive_ports, PORT, announce=announce, extra=settings)


def proftpd(scene: Scene, *lines: str) -> Callable[[Place], Server]:
    """Prepares a ProFTPD with lines of proftpd.conf(5)."""
    return lambda place: servers.proftpd(place, scene.backend.passive_ports, PORT, lines)


def pure_ftpd(scene: Scene) -> Callable[[Place], Server]:
    """Prepares a Pure-FTPd."""
    return lambda place: servers.pure_ftpd(place, scene.backend.passive_ports, PORT)


@breaks("FTP", "No server listens")
def nobody_listens(scene: Scene) -> Stages:
    with scene.server(pure_ftpd(scene)):
        yield FTP
    yield FTP


@breaks("FTP", "Packets vanish")
def packets_vanish(scene: Scene) -> Stages:
    with scene.server(pure_ftpd(scene)):
        yield FTP
        with fault(scene.backend, BLACKHOLE):
            yield FTP


@breaks("FTP", "The daemon hangs")
def the_daemon_hangs(scene: Scene) -> Stages:
    with scene.server(vsftpd(scene)) as server:
        yield FTP
        server.hang()
        yield FTP


@breaks("FTP", "The server accepts and closes")
def it_accepts_and_closes(scene: Scene) -> Stages:
    """ProFTPD says nothing to those for whom it has no process left."""
    with scene.server(proftpd(scene, "MaxInstances 1")):
        yield FTP
        with scene.held(PORT, HELD):
            yield FTP


@breaks("FTP", "The server has too many clients")
def full_house(scene: Scene) -> Stages:
    with scene.server(vsftpd(scene, max_clients=1)):
        yield FTP
        with scene.held(PORT, HELD):
            yield FTP


@breaks("FTP", "All logins are refused")
def nobody_may_log_in(scene: Scene) -> Stages:
    with scene.server(vsftpd(scene)):
        yield FTP
    with scene.server(vsftpd(scene, anonymous_enable="NO", local_enable="YES")):
        yield FTP


@breaks("FTP", "The password has been changed")
def the_password_has_been_changed(scene: Scene) -> Stages:
    folder = scene.folder("accounts")
    accounts, password = folder / "accounts", folder / "password"
    password.write_text("right\n")

    def change(to: str) -> None:
        hashed = subprocess.run(["openssl", "passwd", "-6", to], check=True, capture_output=True, text=True).stdout
        accounts.write_text(f"lab:{hashed.strip()}:65534:65534::{scene.files}:/bin/false\n")
        accounts.chmod(0o600)

    change("right")
    lines = (f"AuthUserFile {accounts}", "AuthOrder mod_auth_file.c", "RequireValidShell off")
    where = Where(port=PORT, words={"FILE": password})
    with scene.server(proftpd(scene, *lines)):
        yield where
        change("other")
        yield where


@breaks("FTP", "Passive data connections are firewalled")
def passive_firewalled(scene: Scene) -> Stages:
    with scene.server(proftpd(scene)):
        yield FTP
        with fault(scene.backend, NO_PASSIVE_DATA):
            yield FTP


@breaks("FTP", "Active data connections are firewalled")
def active_firewalled(scene: Scene) -> Stages:
    with scene.server(vsftpd(scene)):
        yield FTP
        with fault(scene.backend, NO_ACTIVE_DATA, "output"):
            yield FTP


@breaks("FTP", "PASV announces a foreign address")
def foreign_address(scene: Scene) -> Stages:
    with scene.server(vsftpd(scene)):
        yield FTP
    with scene.server(vsftpd(scene, "192.0.2.7")):
        yield FTP


def a_file(scene: Scene, change: Callable[[Path], object]) -> Stages:
    """A file that becomes another one."""
    return changed_file(scene, vsftpd(scene), FTP, "report.csv", change)


@breaks("FTP", "The file is missing")
def file_missing(scene: Scene) -> Stages:
    return a_file(scene, Path.unlink)


@breaks("FTP", "The file is empty")
def file_empty(scene: Scene) -> Stages:
    return a_file(scene, lambda path: os.truncate(path, 0))


@breaks("FTP", "The file has another content")
def file_changed(scene: Scene) -> Stages:
    return a_file(scene, lambda path: path.write_bytes(REPORT[:-1] + b"y"))


@breaks("FTP", "The file is truncated")
def file_cut_off(scene: Scene) -> Stages:
    return a_file(scene, lambda path: os.truncate(path, 2048))


@breaks("FTP", "The file is old")
def file_old(scene: Scene) -> Stages:
    return a_file(scene, lambda path: os.utime(path, (time.time() - 100_000,) * 2))


def a_disk(scene: Scene, broken: str, full: bool = False) -> Stages:
    """A disk that becomes another one."""
    with scene.server(vsftpd(scene, anon_other_write_enable="YES", anon_world_readable_only="NO")) as server:
        yield from replaced_disk(scene, server, FTP, broken, full=full)


@breaks("FTP", "The disk is read-only")
def disk_read_only(scene: Scene) -> Stages:
    return a_disk(scene, "ro")


@breaks("FTP", "The disk is full")
def disk_full(scene: Scene) -> Stages:
    return a_disk(scene, "size=4k", full=True)


@breaks("FTP", "No inode is left")
def no_inode(scene: Scene) -> Stages:
    return a_disk(scene, "nr_inodes=1")


@breaks("FTP", "The quota is exhausted")
def quota(scene: Scene) -> Stages:
    folder = scene.folder("quota")
    limit, tally = folder / "limit", folder / "tally"

    def table(kind: str, path: Path, *words: str) -> None:
        tool: list[str | Path] = [UNPACKED / "usr/sbin/ftpquota", f"--type={kind}", f"--table-path={path}"]
        subprocess.run([*tool, "--create-table"], check=True, capture_output=True)
        if words:
            subprocess.run([*tool, "--add-record", *words], check=True, capture_output=True)

    table("tally", tally)
    lines = [
        "AllowOverwrite on",
        "LoadModule mod_quotatab.c",
        "LoadModule mod_quotatab_file.c",
        "QuotaEngine on",
        f"QuotaLimitTable file:{limit}",
        f"QuotaTallyTable file:{tally}",
    ]
    for most in (100_000, 100):
        limit.unlink(missing_ok=True)
        table("limit", limit, "--name=ftp", "--quota-type=user", "--limit-type=hard", f"--bytes-upload={most}")
        with scene.server(proftpd(scene, *lines)):
            yield FTP


def a_directory(scene: Scene, change: Callable[[Path], None]) -> Stages:
    """A directory of two files in which files come and go."""
    inbox = scene.files / "inbox"
    with (
        scene.server(pure_ftpd(scene)),
        scene.file("inbox/1", b"1"),
        scene.file("inbox/2", b"2"),
    ):
        yield FTP
        try:
            change(inbox)
            yield FTP
        finally:
            for path in inbox.iterdir():
                path.unlink()


@breaks("FTP", "The directory has been emptied")
def directory_emptied(scene: Scene) -> Stages:
    def empty(inbox: Path) -> None:
        for path in inbox.iterdir():
            path.unlink()

    return a_directory(scene, empty)


@breaks("FTP", "The directory fills up")
def directory_fills_up(scene: Scene) -> Stages:
    def fill(inbox: Path) -> None:
        for number in range(3, 13):
            (inbox / str(number)).touch()

    return a_directory(scene, fill)

"""What can break of an SFTP server from the login on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from integration.accounts import Account, accounts
from integration.breaks.scene import REPORT, Scene, Stages, Where, breaks, changed_file, replaced_disk
from integration.breaks.ssh import PORT, SECTION, sshd
from integration.lab.servers import Keys


def with_key(scene: Scene) -> Where:
    """Where root is let in with the key of the lab."""
    return Where(port=PORT, words={"KEY": scene.lab.keys.user})


@breaks(SECTION, "The password has been changed")
def password_changed(scene: Scene) -> Stages:
    folder = scene.folder("accounts")
    password = folder / "password"
    password.write_text("right\n")
    where = Where(port=PORT, words={"FILE": password})
    for actual in ("right", "other"):
        # sshd sees the users of the time when it was started.
        with (
            accounts(folder, Account(name="lab", password=actual, home=scene.files)),
            scene.server(sshd(scene.lab.keys, "PasswordAuthentication yes")),
        ):
            yield where


@breaks(SECTION, "The key is no longer accepted")
def key_refused(scene: Scene) -> Stages:
    others = Keys.make(scene.folder("keys"))
    for authorized in (scene.lab.keys.user, others.user):
        with scene.server(sshd(scene.lab.keys, f"AuthorizedKeysFile {authorized}.pub")):
            yield with_key(scene)


@breaks(SECTION, "The account may not use SFTP")
def no_sftp(scene: Scene) -> Stages:
    for lines in ((), ("ForceCommand /bin/false",)):
        with scene.server(sshd(scene.lab.keys, *lines)):
            yield with_key(scene)


@breaks(SECTION, "Other users can write to the chroot")
def chroot_broken(scene: Scene) -> Stages:
    # Its parents must belong to root alone too.
    root = scene.folder("chroot")
    with scene.server(sshd(scene.lab.keys, f"ChrootDirectory {root}", "ForceCommand internal-sftp")):
        yield with_key(scene)
        root.chmod(0o777)
        yield with_key(scene)


def a_file(scene: Scene, change: Callable[[Path], object]) -> Stages:
    """A file that becomes another one."""
    return changed_file(scene, sshd(scene.lab.keys), with_key(scene), "report.csv", change)


@breaks(SECTION, "The file is missing")
def file_missing(scene: Scene) -> Stages:
    return a_file(scene, Path.unlink)


@breaks(SECTION, "The file is empty")
def file_empty(scene: Scene) -> Stages:
    return a_file(scene, lambda path: path.write_bytes(b""))


@breaks(SECTION, "The file has another content")
def file_changed(scene: Scene) -> Stages:
    return a_file(scene, lambda path: path.write_bytes(REPORT[:-1] + b"y"))


@breaks(SECTION, "The file is old")
def file_old(scene: Scene) -> Stages:
    return a_file(scene, lambda path: os.utime(path, (time.time() - 100_000,) * 2))


def a_disk(scene: Scene, broken: str, full: bool = False) -> Stages:
    """A disk that becomes another one."""
    with scene.server(sshd(scene.lab.keys)) as server:
        yield from replaced_disk(scene, server, with_key(scene), broken, full=full)


@breaks(SECTION, "The disk is read-only")
def disk_read_only(scene: Scene) -> Stages:
    return a_disk(scene, "ro")


@breaks(SECTION, "The disk is full")
def disk_full(scene: Scene) -> Stages:
    return a_disk(scene, "size=4k", full=True)


@breaks(SECTION, "The directory has been emptied")
def directory_emptied(scene: Scene) -> Stages:
    with scene.server(sshd(scene.lab.keys)), scene.file("inbox/1", b"1") as path:
        yield with_key(scene)
        path.unlink()
        yield with_key(scene)

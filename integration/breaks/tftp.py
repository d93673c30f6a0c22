"""What can break of a TFTP server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from integration.breaks.scene import REPORT, Scene, Stages, Where, breaks, changed_file, replaced_disk
from integration.lab import servers
from integration.lab.faults import BLACKHOLE, disk, fault, slow
from integration.lab.servers import Place, Server

PORT = 6900
TFTP = Where(port=PORT)

EVERY_TENTH = "udp dport != 53 numgen inc mod 10 == 0 drop"
OTHER = "10.20.1.77"


def hpa(place: Place) -> Server:
    """Prepares a tftpd-hpa."""
    return servers.tftpd_hpa(place, PORT)


def atftpd(place: Place) -> Server:
    """Prepares an atftpd."""
    return servers.atftpd(place, PORT)


@breaks("TFTP", "No server listens")
def nobody_listens(scene: Scene) -> Stages:
    with scene.server(hpa):
        yield TFTP
    yield TFTP


@breaks("TFTP", "Packets vanish")
def packets_vanish(scene: Scene) -> Stages:
    with scene.server(atftpd):
        yield TFTP
        with fault(scene.backend, BLACKHOLE):
            yield TFTP


@breaks("TFTP", "The daemon hangs")
def the_daemon_hangs(scene: Scene) -> Stages:
    with scene.server(hpa) as server:
        yield TFTP
        server.hang()
        yield TFTP


def a_file(scene: Scene, start: Callable[[Place], Server], change: Callable[[Path], object]) -> Stages:
    """A file that becomes another one."""
    return changed_file(scene, start, TFTP, "boot.bin", change)


@breaks("TFTP", "The file is missing")
def file_missing(scene: Scene) -> Stages:
    return a_file(scene, hpa, Path.unlink)


@breaks("TFTP", "The file may not be read")
def file_unreadable(scene: Scene) -> Stages:
    return a_file(scene, hpa, lambda path: path.chmod(0o600))


@breaks("TFTP", "The file is empty")
def file_empty(scene: Scene) -> Stages:
    return a_file(scene, atftpd, lambda path: path.write_bytes(b""))


@breaks("TFTP", "The file has another content")
def file_changed(scene: Scene) -> Stages:
    return a_file(scene, atftpd, lambda path: path.write_bytes(REPORT[:-1] + b"y"))


@breaks("TFTP", "The disk with the files is not mounted")
def root_empty(scene: Scene) -> Stages:
    with scene.file("boot.bin", REPORT), scene.file("boot.cfg", b"timeout 5\n"), scene.server(atftpd) as server:
        yield TFTP
        with disk(server, scene.files, "size=1m"):
            yield TFTP


def a_disk(scene: Scene, start: Callable[[Place], Server], broken: str, full: bool = False) -> Stages:
    """A disk that becomes another one."""
    with scene.server(start) as server:
        yield from replaced_disk(scene, server, TFTP, broken, full=full)


@breaks("TFTP", "The disk is read-only")
def disk_read_only(scene: Scene) -> Stages:
    return a_disk(scene, atftpd, "ro")


@breaks("TFTP", "The disk is full, and the server does not report it")
def disk_full(scene: Scene) -> Stages:
    return a_disk(scene, hpa, "size=4k", full=True)


@breaks("TFTP", "No inode is left")
def no_inode(scene: Scene) -> Stages:
    return a_disk(scene, hpa, "nr_inodes=1")


@breaks("TFTP", "The server answers from another address")
def another_address(scene: Scene) -> Stages:
    with scene.server(hpa):
        yield TFTP
        nat = f"meta l4proto udp udp sport != {PORT} snat ip to {OTHER}"
        scene.backend.ip(f"addr add {OTHER}/24 dev eth0")
        scene.backend.nft(
            f"table inet other {{ chain out {{ type nat hook postrouting priority 100; policy accept; {nat}; }}; }}"
        )
        try:
            yield TFTP
        finally:
            scene.backend.nft("delete table inet other")
            scene.backend.ip(f"addr del {OTHER}/24 dev eth0")


@breaks("TFTP", "The line is slow")
def line_slow(scene: Scene) -> Stages:
    with scene.server(hpa):
        yield TFTP
        with slow(scene.backend, "16kbit"):
            yield TFTP


@breaks("TFTP", "The line loses packets")
def line_lossy(scene: Scene) -> Stages:
    with scene.server(hpa):
        yield TFTP
        with fault(scene.backend, EVERY_TENTH):
            yield TFTP

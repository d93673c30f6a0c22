"""What machines boot: each puts its files on the backends and returns the name of the first one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from integration.lab import Lab
from integration.pxe.machines import ARRIVED

_PXELINUX = Path("/usr/lib/PXELINUX/pxelinux.0")
_SYSLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")


def ipxe(lab: Lab) -> str:
    """A script of iPXE that fetches 5 MB, again and again until they have come."""
    lines = [
        "#!ipxe",
        ":again",
        "imgfetch --name payload medium || goto again",
        "imgstat",
        f"echo {ARRIVED}",
        "sleep 9999",
    ]
    _write(lab, "boot.ipxe", lines)
    return "boot.ipxe"


def pxelinux(lab: Lab) -> str:
    """PXELINUX, which asks for ten files that the server does not have before the one that it has."""
    for backend in lab.backends:
        shutil.copy(_PXELINUX, backend.files)
        shutil.copy(_SYSLINUX, backend.files)
        (backend.files / "pxelinux.cfg").mkdir(exist_ok=True)
    _write(lab, "pxelinux.cfg/default", ["SERIAL 0", f"SAY {ARRIVED}", "PROMPT 1", "DEFAULT none", "TIMEOUT 0"])
    return "pxelinux.0"


def grub(lab: Lab) -> str:
    """GRUB for the BIOS, which reads its configuration and 5 MB with a TFTP of its own."""
    image = lab.folder / "grub.0"
    words = ["grub-mkimage", "--format=i386-pc-pxe", f"--output={image}", "--prefix=(pxe)/grub", "pxe", "tftp"]
    subprocess.run([*words, "normal", "echo", "serial", "terminal", "hashsum", "sleep"], check=True)
    for backend in lab.backends:
        shutil.copy(image, backend.files)
        (backend.files / "grub").mkdir(exist_ok=True)
    lines = [
        "serial --unit=0",
        "terminal_output serial console",
        "sha256sum (pxe)/medium",
        f"echo {ARRIVED}",
        "sleep 9999",
    ]
    _write(lab, "grub/grub.cfg", lines)
    return "grub.0"


def _write(lab: Lab, name: str, lines: list[str]) -> None:
    for backend in lab.backends:
        (backend.files / name).write_text("\n".join((*lines, "")))

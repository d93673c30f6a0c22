"""What machines boot first: each puts its files on the backends and returns the name of the file that DHCP names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from integration.lab import Lab
from integration.pxe.linux import linux
from integration.pxe.machines import ARRIVED

_PXELINUX = Path("/usr/lib/PXELINUX")
_SYSLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")


def ipxe(lab: Lab, vip: str) -> str:
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


def ipxe_linux(lab: Lab, vip: str) -> str:
    """A script of iPXE that boots a Linux."""
    line = linux(lab, vip)
    _write(lab, "linux.ipxe", ["#!ipxe", f"kernel vmlinuz initrd=initrd {line}", "initrd initrd", "boot"])
    return "linux.ipxe"


def pxelinux(lab: Lab, vip: str) -> str:
    """PXELINUX, which asks for ten files that the server does not have before its configuration, and boots a Linux."""
    return _syslinux(lab, vip, "pxelinux.0", "vmlinuz")


def lpxelinux(lab: Lab, vip: str) -> str:
    """PXELINUX with a TCP/IP of its own, which reads the kernel by FTP and the rest by TFTP, and boots a Linux."""
    return _syslinux(lab, vip, "lpxelinux.0", f"ftp://{vip}/vmlinuz")


def grub(lab: Lab, vip: str) -> str:
    """GRUB for the BIOS, which reads with a TFTP of its own and boots a Linux."""
    file = _grub(lab, "grub.0", "i386-pc-pxe", "pxe", "serial", "terminal")
    lines = ["serial --unit=0", "terminal_output serial console"]
    _write(lab, "grub/grub.cfg", [*lines, *_grub_boot(linux(lab, vip))])
    return file


def grub_efi(lab: Lab, vip: str) -> str:
    """GRUB for UEFI, which reads with a TFTP of its own and boots a Linux."""
    file = _grub(lab, "grubx64.efi", "x86_64-efi", "efinet")
    _write(lab, "grub/grub.cfg", _grub_boot(linux(lab, vip)))
    return file


def uboot(lab: Lab, vip: str) -> str:
    """A script of U-Boot, which asks for the configuration of PXELINUX, and boots a Linux without it."""
    # `pxe boot` tells the kernel a wrong size of the initrd, and has a place for it over which the kernel is unpacked.
    script = [
        *("setenv pxefile_addr_r 0x3000000", "pxe get", "tftpboot 0x8000000 initrd", "setenv initrd_size ${filesize}"),
        *(f'setenv bootargs "{linux(lab, vip)}"', "tftpboot 0x1000000 vmlinuz"),
        "zboot 0x1000000 ${filesize} 0x8000000 ${initrd_size}",
    ]
    _write(lab, "boot.txt", script)
    for backend in lab.backends:
        words = ("mkimage", "-q", "-A", "x86", "-T", "script", "-C", "none", "-d", backend.files / "boot.txt")
        subprocess.run((*words, backend.files / "boot.scr.uimg"), check=True, stdout=subprocess.DEVNULL)
    _write(lab, "pxelinux.cfg/default", ["DEFAULT linux"])
    return "boot.scr.uimg"


def _syslinux(lab: Lab, vip: str, name: str, kernel: str) -> str:
    for backend in lab.backends:
        shutil.copy(_PXELINUX / name, backend.files)
        shutil.copy(_SYSLINUX, backend.files)
    _write_syslinux(lab, kernel, linux(lab, vip))
    return name


def _write_syslinux(lab: Lab, kernel: str, line: str) -> None:
    lines = ["SERIAL 0", "DEFAULT linux", "LABEL linux", f"KERNEL {kernel}", "INITRD initrd", f"APPEND {line}"]
    _write(lab, "pxelinux.cfg/default", lines)


def _grub(lab: Lab, name: str, target: str, *modules: str) -> str:
    image = lab.folder / name
    words = ["grub-mkimage", f"--format={target}", f"--output={image}", "--prefix=/grub", "tftp", *modules]
    subprocess.run([*words, "normal", "linux"], check=True)
    for backend in lab.backends:
        shutil.copy(image, backend.files)
    return name


def _grub_boot(line: str) -> list[str]:
    return [f"linux /vmlinuz {line}", "initrd /initrd", "boot"]


def _write(lab: Lab, name: str, lines: list[str]) -> None:
    for backend in lab.backends:
        path = backend.files / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join((*lines, "")))

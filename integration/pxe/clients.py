"""The clients of PXE: which firmware, what it boots first, and over which IP version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from integration.lab import Lab
from integration.pxe import loaders
from integration.pxe.dhcp import ANY, EFI
from integration.pxe.firmware import BIOS, OVMF, OVMF_IPV6, UBOOT, Firmware


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A machine's firmware, what it boots first from a VIP, and the IP version of that VIP.

    `asks` has files that it reads, each with the options of the request for it.
    """

    firmware: Firmware
    loader: Callable[[Lab, str], str]
    asks: Mapping[str, str]
    version: Literal[4, 6] = 4

    def files(self, lab: Lab, vip: str) -> dict[str, str]:
        """Puts its files on the backends, and returns the first one as dhcp() takes it."""
        return {EFI if self.firmware.efi else ANY: self.loader(lab, vip)}


_IPXE = "blksize 1432 tsize 0"
_PXELINUX = "tsize 0 blksize 1408"
_GRUB = "blksize 1024 tsize 0"
# The last request for a file; the one before it is for its size.
_EDK2 = "blksize 1468 windowsize 4"
_EDK2_IPV6 = "blksize 1228 windowsize 4"
_UBOOT = "timeout 5 tsize 0 blksize 1468"
_BUSYBOX = {"medium": "blksize 1428 tsize 0"}

CLIENTS = {
    "ipxe": Client(firmware=BIOS, loader=loaders.ipxe_linux, asks={"vmlinuz": _IPXE, **_BUSYBOX}),
    "pxelinux": Client(
        firmware=BIOS, loader=loaders.pxelinux, asks={"pxelinux.0": _IPXE, "vmlinuz": _PXELINUX, **_BUSYBOX}
    ),
    "lpxelinux": Client(
        firmware=BIOS, loader=loaders.lpxelinux, asks={"lpxelinux.0": _IPXE, "initrd": _PXELINUX, **_BUSYBOX}
    ),
    "grub": Client(firmware=BIOS, loader=loaders.grub, asks={"grub.0": _IPXE, "/vmlinuz": _GRUB, **_BUSYBOX}),
    "ovmf": Client(firmware=OVMF, loader=loaders.grub_efi, asks={"grubx64.efi": _EDK2, "/vmlinuz": _GRUB, **_BUSYBOX}),
    "ovmf-ipv6": Client(
        firmware=OVMF_IPV6,
        loader=loaders.grub_efi,
        asks={"grubx64.efi": _EDK2_IPV6, "/vmlinuz": _GRUB, **_BUSYBOX},
        version=6,
    ),
    "uboot": Client(
        firmware=UBOOT, loader=loaders.uboot, asks={"boot.scr.uimg": _UBOOT, "vmlinuz": _UBOOT, **_BUSYBOX}
    ),
}
"""Each boots a Linux."""

"""The firmware of machines: what qemu is told so that a machine starts with it and boots from the network alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_OVMF = Path("/usr/share/OVMF")
_UBOOT = Path("/usr/lib/u-boot/qemu-x86/u-boot.rom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """Words of qemu, of which `card` are those of the network card with %s for its address; `efi` tells its files."""

    words: tuple[str, ...]
    card: str
    efi: bool = False


BIOS = Firmware(
    # One that got no address begins once more, as a real one does.
    words=("-machine", "pc,graphics=off", "-boot", "reboot-timeout=1000"),
    # The ROM of this card is iPXE.
    card="virtio-net-pci,netdev=net,bootindex=1,mac=%s",
)
"""SeaBIOS; the card's ROM is iPXE, which is the client of PXE for what is booted by it."""


def _ovmf(*words: str) -> Firmware:
    return Firmware(
        words=(
            *("-machine", "q35"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_OVMF}/OVMF_CODE.fd"),
            *("-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={_OVMF}/OVMF_VARS.fd"),
            *words,
        ),
        # Without a ROM its own driver and its own client of PXE are used, those of EDK II.
        card="virtio-net-pci,netdev=net,bootindex=1,romfile=,mac=%s",
        efi=True,
    )


OVMF = _ovmf()
"""UEFI of EDK II with its own client of PXE."""

# Else it would look for DHCP over IPv4 for a minute first.
OVMF_IPV6 = _ovmf("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")
"""The same, over IPv6 alone."""

UBOOT = Firmware(
    words=("-machine", "pc", "-bios", str(_UBOOT)),
    card="virtio-net-pci,netdev=net,romfile=,mac=%s",
)
"""U-Boot, which asks for boot.scr.uimg whatever DHCP names."""

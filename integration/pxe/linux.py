"""The Linux that machines boot: Debian's kernel, and an initrd that fetches once more, by TFTP and by FTP."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

from integration.lab import Lab
from integration.pxe.machines import ARRIVED, FAILED

_UNPACKED = Path(__file__).parent.parent / ".cache" / "kernel"
# Each needs those before it.
_MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net"),
)
# The kernel hands VIP and SUM of its command line to the first program as environment.
_INIT = f"""\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
fail() {{ echo "{FAILED}: $*"; sleep 99999; }}
has_address() {{ ip -6 addr show dev eth0 scope global | grep -v tentative | grep -q inet6; }}

ip link set eth0 up
case $VIP in
*:*) host="[$VIP]"; until has_address; do sleep 1; done ;;
*) host=$VIP; until udhcpc -i eth0 -n -q -s /lease; do sleep 1; done ;;
esac
tftp -g -b 1428 -l /by-tftp -r medium "$VIP" || fail tftp
wget -q -O /by-wget "ftp://$host/medium" || fail wget
ftpget "$VIP" /by-ftpget medium || fail ftpget
for file in /by-tftp /by-wget /by-ftpget; do
    echo "$SUM  $file" | sha256sum -c || fail "$file differs"
done
echo {ARRIVED}
sleep 99999
"""
_LEASE = """\
#!/bin/busybox sh
[ "$1" != bound ] || ifconfig "$interface" "$ip" netmask "$subnet"
"""


def linux(lab: Lab, vip: str) -> str:
    """Puts `vmlinuz` and `initrd` on the backends, and returns the command line with which the kernel is to start."""
    if not _UNPACKED.exists():
        raise FileNotFoundError(f"{_UNPACKED} is missing: run integration/prepare --machine")
    (kernel,) = _UNPACKED.glob("boot/vmlinuz-*")
    initrd = _initrd(lab.folder / "initrd")
    for backend in lab.backends:
        shutil.copy(kernel, backend.files / "vmlinuz")
        (backend.files / "initrd").write_bytes(initrd)
    # An emulated timer may come too late for the kernel's check of it, beside other programs.
    digest = hashlib.sha256((lab.backends[0].files / "medium").read_bytes()).hexdigest()
    return f"console=ttyS0 quiet panic=-1 mitigations=off no_timer_check VIP={vip} SUM={digest}"


def _initrd(root: Path) -> bytes:
    if not root.exists():
        (root / "bin").mkdir(parents=True)
        (root / "modules").mkdir()
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for number, name in enumerate(_MODULES):
            (module,) = _UNPACKED.rglob(f"{name}.ko")
            shutil.copy(module, root / "modules" / f"{number}-{name}.ko")
        for name, text in (("init", _INIT), ("lease", _LEASE)):
            (root / name).write_text(text)
            (root / name).chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = subprocess.run(
        ("/bin/busybox", "cpio", "-o", "-H", "newc"), cwd=root, input=names.encode(), stdout=subprocess.PIPE, check=True
    )
    return gzip.compress(archive.stdout)

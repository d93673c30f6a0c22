"""The image of a Debian release: its packages and kernel in a file of ext4, built once and kept in a cache.

The cache lies outside of the checkout, in the folder that XDG_CACHE_HOME names, and holds one folder for each recipe:
this file's text and the release. Building needs root, debootstrap, e2fsprogs, kmod and busybox.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

RELEASES = {"12": "bookworm", "13": "trixie"}
"""The releases of Debian that have an image, by version."""

_PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "procps", "util-linux", "ca-certificates"),
    # What docs/farms.md and docs/pair.md tell operators to install.
    *("nftables", "conntrack", "python3", "python3-venv", "keepalived", "conntrackd"),
    # Servers and clients.
    *("vsftpd", "tftpd-hpa", "openssh-server", "openssh-client", "curl", "tftp-hpa", "openssl"),
)
# Of the kernel's modules only those that namespaces, the firewall, the disk and the console may ask for: a tenth.
_MODULES = ("kernel/net", "kernel/lib", "kernel/crypto", "kernel/arch", "kernel/fs", "kernel/block", "kernel/virt")
_DRIVERS = (
    *("virtio", "block/virtio_blk*", "char/virtio_console*"),
    # The last two join the machines of a pair.
    *("net/dummy*", "net/veth*", "net/virtio_net*", "net/net_failover*"),
)
_AT_BOOT = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
_NEEDLESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
_TIMERS = ("apt-daily", "apt-daily-upgrade", "e2scrub_all", "fstrim", "dpkg-db-backup")
_SIZE = "1600M"

_FSTAB = "/dev/vda / ext4 rw,noatime 0 1\ntmpfs /tmp tmpfs mode=1777 0 0\n"
# Holds the other units back until network and servers stand; the programs come with the payload.
_UNIT = """\
[Unit]
Description=What is to be proven in this machine
After=basic.target systemd-modules-load.service
Before=noidlb-guard.service

[Service]
Type=notify
NotifyAccess=all
TimeoutStartSec=infinity
RuntimeDirectory=payload
WorkingDirectory=/run/payload
ExecStartPre=tar -xf /dev/vdb
ExecStart=python3 -m integration.machine.inside
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0

[Install]
WantedBy=multi-user.target
"""
_INIT = """\
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /disk
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module; done
until /bin/busybox mount -t ext4 -o ro /dev/vda /disk; do /bin/busybox sleep 1; done
for folder in proc sys dev; do /bin/busybox mount --move /$folder /disk/$folder; done
exec /bin/busybox switch_root /disk /sbin/init
"""


@dataclass(frozen=True, slots=True)
class Image:
    """What qemu boots: a disk, a kernel, the first files that the kernel needs; `python` is the version on the disk."""

    disk: Path
    kernel: Path
    initrd: Path
    python: str


def image(release: str, cache: Path | None = None) -> Image:
    """Returns the image of a release, "12" or "13", and builds it where the cache has none of this recipe."""
    base = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noidchecks" / "machine"
    recipe = hashlib.sha256(f"{release}\n{Path(__file__).read_text()}".encode()).hexdigest()[:12]
    folder = base / f"debian{release}-{recipe}"
    if not folder.exists():
        base.mkdir(parents=True, exist_ok=True)
        for old in base.glob(f"debian{release}-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=base, prefix="new-") as new:
            _build(RELEASES[release], Path(new))
            made = Path(new, "image")
            made.rename(folder)
    return Image(
        folder / "disk", folder / "kernel", folder / "initrd", (folder / "python").read_text(encoding="ascii").strip()
    )


def _build(suite: str, folder: Path) -> None:
    root, kernel, made = folder / "root", folder / "kernel", folder / "image"
    made.mkdir()
    _run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", suite, root, _mirror())
    _unpack_kernel(root, kernel)
    (vmlinuz,) = (kernel / "boot").glob("vmlinuz-*")
    release = vmlinuz.name.removeprefix("vmlinuz-")
    shutil.copy(vmlinuz, made / "kernel")
    _keep_modules(kernel, root, release)
    (made / "initrd").write_bytes(gzip.compress(_initrd(kernel, release, folder)))
    for needless in _NEEDLESS:
        shutil.rmtree(root / needless, ignore_errors=True)
    _configure(root)
    version = _run("chroot", root, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    (made / "python").write_text(version)
    _run("mke2fs", "-q", "-t", "ext4", "-d", root, made / "disk", _SIZE)


def _mirror() -> str:
    """Returns the archive of Debian that this machine installs from."""
    said = _run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages")
    found = (line for line in said.splitlines() if re.fullmatch(r"https?://.*/debian/?", line))
    mirror = next(found, None)
    if mirror is None:
        raise SystemExit("apt on this machine has no archive of Debian")
    return mirror


def _unpack_kernel(root: Path, kernel: Path) -> None:
    """Unpacks the kernel's package without installing it, which would take as long as all the rest."""
    said = _run("chroot", root, "apt-cache", "depends", "linux-image-amd64")
    package = next(word for word in said.split() if re.fullmatch(r"linux-image-\d\S*", word))
    _run("chroot", root, "sh", "-c", f"cd /var/cache/apt && apt-get -qq -o APT::Sandbox::User=root download {package}")
    (archive,) = (root / "var/cache/apt").glob("linux-image-*.deb")
    _run("dpkg-deb", "-x", archive, kernel)
    for folder in kernel.glob("usr/lib/modules/*"):
        # Merged /usr, as Debian 13 has it in the package too.
        (kernel / "lib/modules").mkdir(parents=True, exist_ok=True)
        folder.rename(kernel / "lib/modules" / folder.name)
    (release,) = (kernel / "lib/modules").iterdir()
    _run("depmod", "-b", kernel, release.name)


def _keep_modules(kernel: Path, root: Path, release: str) -> None:
    source, target = kernel / "lib/modules" / release, root / "usr/lib/modules" / release
    kept = [source / name for name in _MODULES]
    kept += [found for pattern in _DRIVERS for found in source.glob(f"kernel/drivers/{pattern}")]
    for path in [*kept, *source.glob("modules.*")]:
        goal = target / path.relative_to(source)
        goal.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, goal)
        else:
            shutil.copy(path, goal)
    _run("chroot", root, "depmod", release)


def _initrd(kernel: Path, release: str, folder: Path) -> bytes:
    """Returns a cpio archive of busybox, and of what must be loaded before the disk can be mounted."""
    root = folder / "initrd"
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    wanted: dict[str, None] = {}
    for module in _AT_BOOT:
        said = _run("modprobe", "-d", kernel, "-S", release, "--show-depends", module)
        # A line "builtin NAME" needs nothing.
        wanted |= dict.fromkeys(line.split()[1] for line in said.splitlines() if line.startswith("insmod "))
    for number, path in enumerate(wanted):
        data = Path(path).read_bytes()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        (root / "modules" / f"{number:02}-{Path(path).name.removesuffix('.xz')}").write_bytes(data)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    done = subprocess.run(
        ["/bin/busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def _configure(root: Path) -> None:
    (root / "etc/fstab").write_text(_FSTAB)
    (root / "etc/hostname").write_text("balancer\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost balancer\n::1 localhost\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/systemd/system/machine.service").write_text(_UNIT)
    # The servers run in namespaces of their own, a pair's daemons when they are told to; nothing waits for a network.
    off = ("vsftpd", "tftpd-hpa", "ssh", "keepalived", "conntrackd", "e2scrub_reap", "getty@tty1")
    _run("systemctl", f"--root={root}", "disable", *off, *(f"{name}.timer" for name in _TIMERS))
    _run("systemctl", f"--root={root}", "mask", "systemd-networkd-wait-online.service", "serial-getty@ttyS0.service")
    _run("systemctl", f"--root={root}", "enable", "machine.service")


def _run(*words: str | Path) -> str:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout

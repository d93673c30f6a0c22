"""Boots an image in qemu, with a payload as its second disk, and hands out what the programs inside report."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from integration.machine.image import Image

MEMORY = "1536M"
_TAIL = 60
_KERNEL = "console=ttyS0 quiet panic=-1 net.ifnames=0 systemd.show_status=0 mitigations=off"


class BootError(Exception):
    """The machine ended, or fell silent, before its programs had said all; with the last lines of its console."""


def reports(image: Image, payload: Path, patience: float) -> Iterator[dict[str, object]]:
    """Yields each report of a machine from its boot until it has switched itself off; `patience` seconds between two.

    The image stays as it is: what the machine writes is forgotten.
    """
    with tempfile.TemporaryDirectory(prefix="machine-") as folder:
        console, report = Path(folder, "console"), Path(folder, "report")
        report.touch()
        with (
            _running(image, payload, console, report) as process,
            report.open(encoding="utf-8", errors="replace") as lines,
        ):
            last, rest = time.monotonic(), ""
            while True:
                ended = process.poll() is not None
                rest += lines.read()
                *whole, rest = rest.split("\n")
                for line in whole:
                    last = time.monotonic()
                    yield json.loads(line)
                if ended:
                    if process.returncode:
                        raise BootError(f"qemu ended with {process.returncode}\n{end_of(console)}")
                    return
                if time.monotonic() - last > patience:
                    raise BootError(f"no report for {patience:.0f} s\n{end_of(console)}")
                time.sleep(0.2)


def qemu(
    image: Image,
    payload: Path,
    serials: Sequence[str],
    *,
    disk: Path | None = None,
    processors: int = 2,
    memory: str = MEMORY,
    append: str = "",
) -> list[str | Path]:
    """Returns the command line of a machine; the console is the first of its serial lines, `append` goes to its kernel.

    What it writes is forgotten, unless it has a `disk` of its own in the place of the image's.
    """
    kept = "on" if disk is None else "off"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
        *("-smp", str(processors), "-m", memory, "-nodefaults", "-display", "none"),
        *(word for line in serials for word in ("-serial", line)),
        *("-kernel", image.kernel, "-initrd", image.initrd),
        *("-append", f"{_KERNEL} {append}"),
        *("-drive", f"file={disk or image.disk},format=raw,if=virtio,snapshot={kept}"),
        *("-drive", f"file={payload},format=raw,if=virtio,readonly=on"),
        *("-object", "rng-random,filename=/dev/urandom,id=rng", "-device", "virtio-rng-pci,rng=rng"),
    ]


@contextmanager
def _running(image: Image, payload: Path, console: Path, report: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [
        # Else it would outlive this process when that is ended by a signal.
        *("setpriv", "--pdeathsig", "KILL"),
        *qemu(image, payload, (f"file:{console}", f"file:{report}")),
    ]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def end_of(console: Path) -> str:
    """Returns the last lines of a console."""
    lines = console.read_text(encoding="utf-8", errors="replace").splitlines() if console.exists() else []
    return "\n".join(lines[-_TAIL:])

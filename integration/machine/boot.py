"""Boots an image in qemu, with a payload as its second disk, and hands out what the programs inside report."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.machine.image import Image

MEMORY = "1536M"
_TAIL = 60


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
                        raise BootError(f"qemu ended with {process.returncode}\n{_end_of(console)}")
                    return
                if time.monotonic() - last > patience:
                    raise BootError(f"no report for {patience:.0f} s\n{_end_of(console)}")
                time.sleep(0.2)


@contextmanager
def _running(image: Image, payload: Path, console: Path, report: Path) -> Iterator[subprocess.Popen[bytes]]:
    words: list[str | Path] = [
        # Else it would outlive this process when that is ended by a signal.
        *(
            "setpriv",
            "--pdeathsig",
            "KILL",
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            MEMORY,
        ),
        *("-nodefaults", "-display", "none", "-serial", f"file:{console}", "-serial", f"file:{report}"),
        *("-kernel", image.kernel, "-initrd", image.initrd),
        *("-append", "console=ttyS0 quiet panic=-1 net.ifnames=0 systemd.show_status=0 mitigations=off"),
        *("-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"),
        *("-drive", f"file={payload},format=raw,if=virtio,readonly=on"),
        *("-object", "rng-random,filename=/dev/urandom,id=rng", "-device", "virtio-rng-pci,rng=rng"),
    ]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _end_of(console: Path) -> str:
    lines = console.read_text(encoding="utf-8", errors="replace").splitlines() if console.exists() else []
    return "\n".join(lines[-_TAIL:])

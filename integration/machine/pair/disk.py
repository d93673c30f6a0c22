"""The disk from which both machines boot: the image, with noidlb installed as the quickstart says.

It is installed in a chroot, which takes a tenth of the time that an emulated machine does; that it installs in the
machine too is proven there (`inside.quickstart`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.machine.image import Image
from integration.machine.pair.pages import FARMS, section

_INSTALL = """\
export HOME=/root LC_ALL=C.UTF-8 PIP_NO_INDEX=1 PIP_FIND_LINKS=/payload/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
cd /payload
"""


def install(image: Image, payload: Path, goal: Path) -> None:
    """Writes the disk; needs a mount namespace of its own, and loop devices."""
    (first, *_), (guard, *_) = section(FARMS, "### Install"), section(FARMS, "### Guard")
    # The image has the packages, and no lists of what there is.
    lines = [line for line in first.lines if not line.startswith("apt-get ")]
    # Its holes stay holes.
    _run("cp", "--sparse=always", image.disk, goal)
    with _mounted(goal) as root:
        (root / "payload").mkdir()
        _run("tar", "-xf", payload, "-C", root / "payload")
        _run("chroot", root, "/bin/sh", "-eu", "-c", _INSTALL + "\n".join((*lines, guard.lines[0])))
        _run("rm", "-r", root / "payload")


@contextmanager
def _mounted(disk: Path) -> Iterator[Path]:
    root = disk.with_suffix(".root")
    root.mkdir()
    _run("mount", "-o", "loop", disk, root)
    try:
        for name, kind in (("dev", "devtmpfs"), ("proc", "proc"), ("tmp", "tmpfs")):
            _run("mount", "-t", kind, kind, root / name)
        yield root
    finally:
        _run("umount", "--recursive", root)


def _run(*words: str | Path) -> None:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}")

"""Which modules a program loads, in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import noidchecks

ROOT = Path(noidchecks.__file__).parents[1]
PACKAGE = ROOT / "noidchecks"


def loaded_after(program: str, *, before: str = "pass") -> set[str]:
    """Returns the modules that a fresh interpreter loads in the program, beyond those that it starts with.

    before is a program that runs first, whose modules are not counted.
    """
    # -I -S: without site, whose .pth files load what they like. The checkout stands behind the installed packages.
    found = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages")), str(Path(__file__).parents[2])]
    lines = (
        f"import sys; sys.path[:0] = {found!r}",
        before,
        "before = set(sys.modules)",
        program,
        "print('loaded', *sorted(set(sys.modules) - before))",
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.rpartition("loaded ")[2].split())

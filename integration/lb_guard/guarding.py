"""The guardian of the library in the lab's balancer, without what `noidlb guard` has around it."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Self

from integration.lab import Lab
from integration.lb_guard.process import GuardianProcess

_PROGRAM = (sys.executable, "-P", "-m", "integration.lb_guard.guarded")


class Guarding(GuardianProcess):
    """Starts a guardian for the text of a farms file.

    `path` is a folder of programs that it finds before those of the system.
    """

    def __init__(self, lab: Lab, farms: str, path: str = "") -> None:
        self._file = Path(tempfile.mkdtemp(dir=lab.folder)) / "farms.toml"
        self._file.write_text(farms)
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
        super().__init__(lab, (*_PROGRAM, self._file), environment)

    def reload(self, farms: str) -> None:
        """Gives it another farms file."""
        self._file.write_text(farms)
        self.send(signal.SIGHUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

"""The pair of docs/pair.md as two machines: Debian's own kernel, keepalived and conntrackd under systemd.

Only the balancers are emulated. The client and the backends are the lab's namespaces, on bridges that the machines are
plugged into, so that what they see is what clients and servers of an operator see.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_RUN = Path(__file__).parents[2] / "run"


def reports(release: str, payload: Path) -> Iterator[dict[str, object]]:
    """Yields each report of the pair on a release, from the boot of its machines to their end."""
    words: list[str | Path] = [_RUN, sys.executable, "-P", "-m", "integration.machine.pair", release, payload]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)

"""Proves the pair on one release, whose image is in the cache; reports on standard output, as a machine does.

The arguments are the release and the payload. It needs the namespaces of integration/run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from integration.machine.image import image
from integration.machine.inside.report import Report
from integration.machine.pair import proof
from integration.machine.pair.lab import MachineLab
from integration.machine.pair.setup import set_up


def main(release: str, payload: str) -> None:
    """Reports each step, and the end."""
    report = Report(sys.stdout)
    with MachineLab(image(release), Path(payload)) as lab:
        set_up(report, lab)
        if not report.failures:
            # Nothing else can be right where the two do not stand as they should.
            proof.prove(report, lab)
    report.end()


if __name__ == "__main__":
    main(*sys.argv[1:])

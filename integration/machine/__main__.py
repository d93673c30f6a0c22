"""Boots each release that the command line names, prints what was proven there, and exits with 1 if anything failed.

The first argument "pair" asks for the pair of two machines instead of the one machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from integration.machine import pair
from integration.machine.boot import BootError, reports
from integration.machine.image import RELEASES, image
from integration.machine.payload import pack

# Seconds between two reports: a step that installs takes minutes on a busy machine.
_PATIENCE = 1200.0


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    is_pair = arguments[:1] == ["pair"]
    failed = 0
    for release in arguments[is_pair:] or list(RELEASES):
        begin = time.monotonic()
        print(f"== Debian {release}: the image", flush=True)
        found = image(release)
        print(f"{time.monotonic() - begin:.0f} s, {found.disk.stat().st_blocks * 512 / 1e6:.0f} MB", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            payload = Path(folder, "payload.tar")
            pack(found.python, payload)
            begin = time.monotonic()
            failed += _run(pair.reports(release, payload) if is_pair else reports(found, payload, _PATIENCE))
            print(f"== Debian {release}: {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if failed else 0


def _run(reported: Iterator[dict[str, object]]) -> int:
    begin = time.monotonic()
    failed, ended = 0, False
    try:
        for report in reported:
            ended = ended or report["name"] == "end"
            good = report.get("failed") is None
            failed += not good
            mark = "ok  " if good else "FAIL"
            print(f"{time.monotonic() - begin:7.1f}  {mark} {report['name']}  {report.get('said', '')}", flush=True)
            if not good:
                print(report["failed"], flush=True)
    except BootError as error:
        print(f"FAIL {error}")
        return 1
    if not ended:
        print("FAIL the programs ended before they had said all")
    return failed + (not ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

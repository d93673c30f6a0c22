"""Boots each release that the command line names, prints what was proven there, and exits with 1 if anything failed.

Arguments are releases and parts of `inside/__main__.py`, as in `12 service`: without a release all of them, without a
part everything. The quickstart and the unit's start belong to each run. The part `pair` is two machines of their own.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from integration.machine import pair
from integration.machine.boot import BootError, reports
from integration.machine.image import RELEASES, image
from integration.machine.payload import PARTS, pack

# Seconds between two reports: a step that installs takes minutes on a busy machine.
_PATIENCE = 1200.0
_PAIR = "pair"


def main(words: list[str]) -> int:
    """Returns the exit code."""
    releases = [word for word in words if word in RELEASES]
    parts = [word for word in words if word in PARTS]
    if others := set(words) - {*releases, *parts, _PAIR}:
        known = ", ".join((*PARTS, _PAIR))
        raise SystemExit(f"neither release nor part: {', '.join(sorted(others))}; parts are {known}")
    failed = 0
    for release in releases or list(RELEASES):
        begin = time.monotonic()
        print(f"== Debian {release}: the image", flush=True)
        found = image(release)
        print(f"{time.monotonic() - begin:.0f} s, {found.disk.stat().st_blocks * 512 / 1e6:.0f} MB", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            payload = Path(folder, "payload.tar")
            pack(found.python, parts or list(PARTS), payload)
            runs = {}
            if parts or _PAIR not in words:
                runs["one machine"] = reports(found, payload, _PATIENCE)
            if not parts or _PAIR in words:
                runs["a pair"] = pair.reports(release, payload)
            for name, run in runs.items():
                begin = time.monotonic()
                failed += _run(run)
                print(f"== Debian {release}, {name}: {time.monotonic() - begin:.0f} s", flush=True)
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
    # So that folders and half an image are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))

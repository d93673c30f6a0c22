"""Thousands of changes of a large table on this machine's kernel: two tasks, each a process in its own namespace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from integration.lab.namespace import Namespace
from integration.machine.inside.report import Report
from integration.machine.inside.service import UNIT
from integration.machine.inside.system import run

PYTHON = "/opt/noidchecks/bin/python"
_PATIENCE = 1800.0
# Of the installation that the quickstart has made.
_PROGRAM = Path(__file__).with_name("change_often.py")
_TASKS = (
    ("500 farms of three backends, and 2,000 single changes", "singles", 500, 2000),
    ("500 reloads of 20 farms with changes by chance", "reloads", 20, 500),
)


def prove(report: Report) -> None:
    """Runs both tasks; the kernel may refuse none of the changes, and the table must be right at the end."""
    # Its checks would use most of the processor's time meanwhile.
    run("systemctl", "stop", UNIT)
    # At once: a change mostly waits until no processor uses any more what it has removed.
    with ThreadPoolExecutor() as pool:
        begun = [(text, pool.submit(_change, task, farms, times)) for text, task, farms, times in _TASKS]
        for text, changes in begun:
            with report.step(text) as say:
                say(changes.result())
    run("systemctl", "start", UNIT)


def _change(task: str, farms: int, times: int) -> str:
    namespace = Namespace(f"changes-{task}")
    try:
        return namespace.run((PYTHON, _PROGRAM, task, str(farms), str(times)), timeout=_PATIENCE).stdout.strip()
    finally:
        namespace.close()

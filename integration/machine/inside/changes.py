"""Thousands of changes of a large table on this machine's kernel, by one process in a namespace of its own."""

from __future__ import annotations

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
    for text, task, farms, times in _TASKS:
        with report.step(text) as say:
            namespace = Namespace("changes")
            try:
                done = namespace.run((PYTHON, _PROGRAM, task, str(farms), str(times)), timeout=_PATIENCE)
                say(done.stdout.strip())
            finally:
                namespace.close()
    run("systemctl", "start", UNIT)

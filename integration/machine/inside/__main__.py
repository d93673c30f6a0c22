"""Proves the parts that the payload names, over three boots, and switches off; reports over the second serial line.

A machine of a pair does what its host says instead (`agent`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Container
from pathlib import Path

from integration.lab import Lab
from integration.machine.inside import agent, changes, quickstart, service, survey, transfers
from integration.machine.inside.report import PORT, Report
from integration.machine.inside.system import Machine, run

# On the disk, which outlives a reboot.
_BOOTS = Path("/var/lib/machine-boots")
_REBOOTS = 2
_PARTS = Path("wheels/parts")


def main() -> None:
    """Runs what belongs to this boot; the first has the quickstart, the last switches off."""
    boot = int(_BOOTS.read_text()) if _BOOTS.exists() else 0
    _BOOTS.write_text(str(boot + 1))
    parts = _PARTS.read_text().split()
    last = _REBOOTS if "reboots" in parts else 0
    with open(PORT, "w", encoding="ascii") as port:
        report = Report(port)
        with report.step(f"boot {boot + 1}") as say:
            say(f"kernel {run('uname', '-r').strip()}, {run('systemctl', '--version').split(chr(10))[0]}")
            say(f"{run('nft', '--version').strip()}, Python {sys.version.split()[0]}")
            say(f"{Path('/proc/uptime').read_text().split('.')[0]} s after the kernel's start")
        if boot == 0:
            _ready()
        goes_on = _prove(report, boot, parts) and boot < last
        if boot == last:
            report.end()
    subprocess.run(["systemctl", "reboot" if goes_on else "poweroff"], check=True)


def _prove(report: Report, boot: int, parts: Container[str]) -> bool:
    """Returns whether another boot can prove more: not where the installation is wrong, or the unit does not start."""
    machine = Machine()
    if boot == 0:
        quickstart.prove(report, machine)
        if report.failures:
            return False
    with Lab(balancer=machine, ftp=("vsftpd",) * 3, tftp=("tftpd-hpa",) * 3) as lab:
        lab.mode = "dnat"
        if boot:
            _ready()
            service.prove_after_boot(report, lab)
            transfers.prove(report, lab, f"boot {boot + 1}", modes=("snat",))
            return True
        service.start(report, lab)
        if report.failures:
            return False
        if "transfers" in parts:
            transfers.prove(report, lab, "guarded")
        if "service" in parts:
            service.prove(report, lab)
        if "survey" in parts:
            survey.prove(report, lab)
        if "changes" in parts:
            changes.prove(report)
        service.leave_drained(report)
        return True


def _ready() -> None:
    """Lets units start that wait for network and servers; in the first boot there are none yet."""
    run("systemd-notify", "--ready")


if __name__ == "__main__":
    if agent.is_wanted():
        agent.serve()
    else:
        main()

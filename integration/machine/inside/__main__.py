"""Proves everything in this machine, over three boots, and switches it off; reports over the second serial line.

A machine of a pair does what its host says instead (`agent`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from integration.lab import Lab
from integration.machine.inside import agent, changes, quickstart, service, survey, transfers
from integration.machine.inside.report import PORT, Report
from integration.machine.inside.system import Machine, run

# On the disk, which outlives a reboot.
_BOOTS = Path("/var/lib/machine-boots")
REBOOTS = 2


def main() -> None:
    """Runs what belongs to this boot; the first has the quickstart, the last switches off."""
    boot = int(_BOOTS.read_text()) if _BOOTS.exists() else 0
    _BOOTS.write_text(str(boot + 1))
    with open(PORT, "w", encoding="ascii") as port:
        report = Report(port)
        with report.step(f"boot {boot + 1}") as say:
            say(f"kernel {run('uname', '-r').strip()}, {run('systemctl', '--version').split(chr(10))[0]}")
            say(f"{run('nft', '--version').strip()}, Python {sys.version.split()[0]}")
            say(f"{Path('/proc/uptime').read_text().split('.')[0]} s after the kernel's start")
        machine = Machine()
        if boot == 0:
            _ready()
            quickstart.prove(report, machine)
            if report.failures:
                # Nothing else can be right where the installation is not.
                subprocess.run(["systemctl", "poweroff"], check=True)
                return
        with Lab(balancer=machine, ftp=("vsftpd",) * 3, tftp=("tftpd-hpa",) * 3) as lab:
            if boot == 0:
                service.prove(report, lab)
                survey.prove(report, lab)
                changes.prove(report)
                service.leave_drained(report, lab)
            else:
                _ready()
                service.prove_after_boot(report, lab)
                transfers.prove(report, lab, f"boot {boot + 1}", modes=("snat",))
        if boot == REBOOTS:
            report.end()
    subprocess.run(["systemctl", "poweroff" if boot == REBOOTS else "reboot"], check=True)


def _ready() -> None:
    """Lets units start that wait for network and servers; in the first boot there are none yet."""
    run("systemd-notify", "--ready")


if __name__ == "__main__":
    if agent.is_wanted():
        agent.serve()
    else:
        main()

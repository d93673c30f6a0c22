"""The quickstart of docs/farms.md word by word, with the machine's own pip, systemctl and journal."""

from __future__ import annotations

from pathlib import Path

from integration.lab.namespace import Namespace
from integration.machine.inside.report import Report
from integration.quickstart import walk

_ROOT = Path(__file__).parents[3]
_FOLDER = Path("/var/lib/machine-quickstart")
# Seconds for a block: making an environment and installing takes minutes in here.
_PATIENCE = 1200.0
# Here are the packages already, without lists of what there is to install.
_APT_GET = """\
#!/bin/sh
case $1 in update) exit 0 ;; install) shift ;; *) exit 1 ;; esac
for package; do dpkg-query -W "$package" || exit 1; done
"""


def prove(report: Report, machine: Namespace) -> None:
    """Runs every command of the page; the balancer is this machine, the other hosts are namespaces."""
    for name in ("everywhere", "elsewhere"):
        (_FOLDER / name).mkdir(parents=True, exist_ok=True)
    _program(_FOLDER / "everywhere/apt-get", _APT_GET)
    _program(_FOLDER / "elsewhere/systemctl", walk.SYSTEMCTL)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    common = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(_ROOT / "wheels"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    here = {**common, "PATH": f"{_FOLDER}/everywhere:{path}"}
    # For the stand-in, which is a module of the payload.
    there = {**common, "PYTHONPATH": str(_ROOT), "PATH": f"{_FOLDER}/elsewhere:{_FOLDER}/everywhere:{path}"}
    hosts = walk.network(machine)
    try:
        for block in walk.section_of(_ROOT / "docs/farms.md"):
            if block.language not in ("sh", "toml"):
                continue
            first = next((line for line in block.lines if not line.startswith("#")), "")
            with report.step(f"quickstart, line {block.line}: {first}"):
                walk.follow(block, hosts, lambda host: here if host is machine else there, _PATIENCE)
    finally:
        for host in hosts.values():
            if host is not machine:
                host.close()


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)

"""The survey as a service of a real systemd, with a private key that systemd hands out as a credential."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from integration.lab import Lab
from integration.machine.inside.report import Report
from integration.machine.inside.system import exposure, run, shown, until

_UNIT = "noidchecks-survey"
_INSTALLED = Path("/opt/noidchecks/share/noidchecks/nagios/systemd")
_UNITS = Path("/etc/systemd/system")
_SETTINGS = Path("/etc/noidchecks")
_METRICS = Path("/var/lib/noidchecks-survey/results.prom")
_KEY = f"/run/credentials/{_UNIT}.service/monitor-key"


def prove(report: Report, lab: Lab) -> None:
    """Installs the units as docs/survey.md says, and lets them check the lab's servers, one behind a login."""
    with report.step("the survey's unit, with LoadCredential") as say:
        _install(lab)
        run("systemctl", "daemon-reload")
        run("systemctl", "start", f"{_UNIT}.service")
        say(_results())
    with report.step(f"systemd-analyze security {_UNIT}") as say:
        say(exposure(_UNIT))
    with report.step("the survey's timer starts it"):
        _METRICS.unlink()
        run("systemctl", "enable", "--now", f"{_UNIT}.timer")
        until(_METRICS.exists, "started by the timer")
        run("systemctl", "disable", "--now", f"{_UNIT}.timer")


def _install(lab: Lab) -> None:
    run("useradd", "--system", "--no-create-home", "nagios")
    _SETTINGS.mkdir(exist_ok=True)
    for unit in _INSTALLED.iterdir():
        shutil.copy(unit, _UNITS)
    first, second, third = (backend.address(4) for backend in lab.backends)
    lines = [
        f"b1\tFTP\tcheck_ftp -H {first} -t 60",
        f"b2\tTFTP\tcheck_tftp -H {second} -f name -t 60",
        f"b3\tSSH\tcheck_ssh -t 60 {third}",
        f"b1\tSFTP\tcheck_sftp -t 120 --user root --identity {_KEY} --get {lab.backends[0].files}/name {first}",
    ]
    (_SETTINGS / "targets").write_text("\n".join((*lines, "")))
    (_SETTINGS / "survey.env").write_text(
        f"SURVEY_OPTIONS={_SETTINGS}/targets --report prometheus={_METRICS} --report lines\n"
    )
    # Root's alone, so that only systemd can hand it out.
    shutil.copy(lab.keys.user, _SETTINGS / "monitor-key")
    (_SETTINGS / "monitor-key").chmod(0o600)
    drop_in = _UNITS / f"{_UNIT}.service.d"
    drop_in.mkdir(exist_ok=True)
    (drop_in / "key.conf").write_text(f"[Service]\nLoadCredential=monitor-key:{_SETTINGS}/monitor-key\n")


def _results() -> str:
    said = run("journalctl", "-b", "-u", f"{_UNIT}.service", "-o", "cat")
    if shown(f"{_UNIT}.service", "Result") != "success" or not _METRICS.exists():
        raise RuntimeError(said)
    found = dict(re.findall(r'^noidchecks_state\{[^}]*service="(\w+)"[^}]*\} (\d)', _METRICS.read_text(), re.MULTILINE))
    if found != dict.fromkeys(("FTP", "TFTP", "SSH", "SFTP"), "0"):
        raise RuntimeError(f"{_METRICS.read_text()}\n{said}")
    return f"OK: {', '.join(found)}"

"""The unit for systemd that is installed as a file."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from noidlb.cli.commands import commands

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "lb" / "noidlb-guard.service").read_text()


def settings() -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in TEXT.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def test_its_command_line_is_right() -> None:
    program, command, *words = shlex.split(settings()["ExecStart"][0])
    assert program == "noidlb"
    commands.commands[command].make_context(command, words)


def test_it_has_the_one_capability() -> None:
    found = settings()
    assert found["AmbientCapabilities"] == found["CapabilityBoundingSet"] == ["CAP_NET_ADMIN"]
    assert found["Type"] == ["notify"]
    # Where noidlb looks for them when nobody says anything else.
    assert found["RuntimeDirectory"] == found["StateDirectory"] == ["noidlb"]


def test_a_stop_ends_the_guardian_before_its_plugins_and_a_hangup_at_the_start_is_no_end() -> None:
    found = settings()
    assert found["KillMode"] == ["mixed"]
    # Restart=on-failure starts nothing after a SIGHUP.
    assert found["RestartForceExitStatus"] == ["SIGHUP"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_it(tmp_path: Path) -> None:
    unit = tmp_path / "noidlb-guard.service"
    unit.write_text(re.sub("^ExecStart=noidlb", "ExecStart=/bin/true", TEXT, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip("systemd-analyze does not work here")
    assert (done.returncode, done.stderr) == (0, "")

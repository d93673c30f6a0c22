"""The systemd units are such, fit together, and run a survey with options that there are."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from noidchecks.cli import commands
from tests.support.nagios_scripts import ROOT

UNITS = ROOT / "nagios" / "systemd"
SERVICE, TIMER = UNITS / "noidchecks-survey.service", UNITS / "noidchecks-survey.timer"
EXPORTER = UNITS / "noidchecks-exporter.service"


def read(path: Path) -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    unit.read(path)
    return unit


def test_the_command_has_the_options_that_the_survey_knows() -> None:
    words = shlex.split(read(SERVICE)["Service"]["ExecStart"])
    assert words[0].endswith("/noidchecks")
    (options,) = re.findall(r"^#   SURVEY_OPTIONS=(.*)$", SERVICE.read_text(), re.M)
    arguments = [word for word in words[1:] if word != "$SURVEY_OPTIONS"] + shlex.split(options)
    assert arguments[0] == "survey"
    context = commands.commands["survey"].make_context("survey", arguments[1:])
    assert context.params["spool_dir"] == "${STATE_DIRECTORY}"
    assert context.params["files"] == ("/etc/noidchecks/targets",)


def test_the_command_has_the_options_that_the_exporter_knows() -> None:
    words = shlex.split(read(EXPORTER)["Service"]["ExecStart"])
    (options,) = re.findall(r"^#   EXPORTER_OPTIONS=(.*)$", EXPORTER.read_text(), re.M)
    arguments = [word for word in words[1:] if word != "$EXPORTER_OPTIONS"] + shlex.split(options)
    assert arguments[0] == "exporter"
    context = commands.commands["exporter"].make_context("exporter", arguments[1:])
    assert context.params["modules"] == "/etc/noidchecks/exporter.toml"
    assert context.params["listen"] == ("0.0.0.0:9769",)


def test_an_exporter_whose_address_is_not_up_yet_is_started_again_for_ever() -> None:
    service = read(EXPORTER)["Service"]
    assert service["RestartPreventExitStatus"] == "3"
    # By default systemd gives up after five starts within ten seconds.
    assert int(service["RestartSec"].removesuffix("s")) * 5 > 10


def test_the_timer_is_for_the_service() -> None:
    assert TIMER.stem == SERVICE.stem
    assert read(TIMER)["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    for path in (SERVICE, TIMER, EXPORTER):
        # Neither the program nor the user is on this machine.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/echo", path.read_text(), flags=re.M)
        (tmp_path / path.name).write_text(text.replace("User=nagios", "User=root"))
    words = ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

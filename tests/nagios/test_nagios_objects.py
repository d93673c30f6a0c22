"""The Nagios commands are command lines that the plugins understand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS, parse_line
from tests.support.nagios_scripts import ROOT, load

FILES = ("commands.cfg", "commands-debian.cfg")
DEBIAN = ("check_ftp", "check_ftp_4", "check_ssh", "check_ssh_port", "check_ssh_4", "check_ssh_port_4")


def commands(name: str) -> Iterator[tuple[str, str]]:
    """The names and command lines of a file."""
    text = (ROOT / "nagios" / name).read_text(encoding="utf-8")
    for block in re.findall(r"^define command \{\n(.*?)^\}", text, re.M | re.S):
        found = dict(re.findall(r"^ +(\w+) +(.*)$", block, re.M))
        yield found["command_name"], found["command_line"]


COMMANDS = [(name, line) for file in FILES for name, line in commands(file)]
OURS = [(name, line) for name, line in COMMANDS if not line.startswith("/bin/sh")]


def test_no_name_is_given_twice() -> None:
    names = [name for name, _ in COMMANDS]
    assert len(set(names)) == len(names)
    assert set(DEBIAN) == {name for name, _ in commands("commands-debian.cfg")}


@pytest.mark.parametrize(("name", "line"), OURS)
def test_the_command_line_is_understood(name: str, line: str, tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_text("machine 192.0.2.1 login a password b\n")
    first = {
        "check_ftp_tls": "30,14",
        "check_ssh_port": "22",
        "check_ssh_port_4": "22",
        "check_ssh_policy": "modern",
        "check_ssh_host_key": f"SHA256:{'A' * 43}",
        "check_tftp_file": "boot.bin",
        "check_sftp": f"--auth-file {login}",
    }.get(name, str(login) if name in ("check_ftp_login", "check_ftp_upload", "check_sftp_file") else "")
    filled = line.replace("$USER5$", "/plugins").replace("$HOSTADDRESS$", "192.0.2.1")
    filled = filled.replace("$ARG1$", first).replace(
        "$ARG2$", "/in" if name in ("check_ftp_upload", "check_sftp_file") else ""
    )
    filled = filled.replace("$ARG3$", "")
    assert "$" not in filled
    assert getattr(parse_line(filled).probe, "host", "") == "192.0.2.1"


def test_the_commands_of_all_plugins_are_what_the_list_says() -> None:
    text = (ROOT / "nagios" / "commands.cfg").read_text(encoding="utf-8")
    assert load("nagios/generate.py").with_commands(text) == text, "run `make docs`"


def test_every_plugin_takes_any_options() -> None:
    """One command of each plugin ends with an argument that may be several words."""
    for plugin in PLUGINS:
        assert any(line.startswith(f"$USER5$/{plugin} ") and line.endswith(" $ARG1$") for _, line in OURS), plugin


@pytest.mark.parametrize("file", [*FILES, "templates.cfg"])
def test_no_line_is_cut_by_a_comment(file: str) -> None:
    """Nagios reads what follows a semicolon as a comment."""
    lines = (ROOT / "nagios" / file).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if ";" in line and not line.startswith("#")]


def test_an_argument_in_quotes_is_one_word() -> None:
    with pytest.raises(UsageError, match="Port"):
        parse_line("check_ssh -p '22 -t 5' 192.0.2.1")

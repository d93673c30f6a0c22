from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from shlex import split

import pytest

import noidchecks
from noidchecks import SshProbe, State, UsageError
from noidchecks.address import AF_INET, AF_INET6
from noidchecks.plugin.main import run
from noidchecks.plugin.plugin import Command, parse
from noidchecks.ssh.options import PLUGIN
from tests.support.ssh import serve

BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
ROOT = Path(noidchecks.__file__).parent.parent
USAGE = "Usage:\ncheck_ssh  [-4] [-6] [-t <timeout>] [-r <remote version>] [-p <port>] <host>"


def command(*words: str) -> Command:
    return parse(["check_ssh", *words])


@pytest.mark.parametrize(
    ("words", "probe"),
    [
        ("-H h", SshProbe("h")),
        ("--hostname h", SshProbe("h")),
        ("--hostname=h", SshProbe("h")),
        ("--host h", SshProbe("h")),
        ("-Hh", SshProbe("h")),
        ("-H g -H h", SshProbe("h")),
        ("h", SshProbe("h")),
        ("-- h", SshProbe("h")),
        ("h 2222", SshProbe("h", port=2222)),
        ("h 2222 junk", SshProbe("h", port=2222)),
        ("-H h 2222", SshProbe("h", port=2222)),
        ("-p 2222 h", SshProbe("h", port=2222)),
        ("-p 2222 h 23", SshProbe("h", port=2222)),
        ("-p 2222 h -v", SshProbe("h", port=2222)),
        ("-p 2222 h ''", SshProbe("h", port=2222)),
        ("--port 2222 h", SshProbe("h", port=2222)),
        ("-t 0 h", SshProbe("h", timeout=0)),
        ("-t -1 h", SshProbe("h", timeout=-1)),
        ("-4t3 h", SshProbe("h", timeout=3, family=AF_INET)),
        ("--use-ipv6 ::1", SshProbe("::1", family=AF_INET6)),
        ("-r OpenSSH_9.2p1 h", SshProbe("h", remote_version="OpenSSH_9.2p1")),
        ("-r '' h", SshProbe("h", remote_version="")),
        ("--remote-version 'a b' h", SshProbe("h", remote_version="a b")),
        ("-P 2.0 h", SshProbe("h", remote_protocol="2.0")),
        ("--remote-protocol 2.0 h", SshProbe("h", remote_protocol="2.0")),
        ("--remote-protcol 2.0 h", SshProbe("h", remote_protocol="2.0")),
        ("--remote-p 2.0 h", SshProbe("h", remote_protocol="2.0")),
        ("--remote-p=2.0 h", SshProbe("h", remote_protocol="2.0")),
        ("--remote-v x h", SshProbe("h", remote_version="x")),
        ("--version-pattern '^Open' h", SshProbe("h", version_pattern="^Open")),
        ("--min-version 9.6p1 h", SshProbe("h", min_version="9.6p1")),
        ("--overload-state crit h", SshProbe("h", overload_state=State.CRITICAL)),
        ("-H /run/s", SshProbe("/run/s")),
        ("-p 22 h --timeout=4", SshProbe("h")),
        ("h 22 --remote-version x", SshProbe("h")),
        ("-H h -p 22 --verb -- x", SshProbe("h")),
        # Icinga 2, with its address as a bare last word.
        ("-4 -P 2.0 -p 22 -r OpenSSH_9.2p1 -t 10 192.0.2.1", None),
        # Debian's check_ssh_port_4.
        ("-4 -p '22' '192.0.2.1'", SshProbe("192.0.2.1", family=AF_INET)),
        # Checkmk.
        (
            "-H 192.0.2.1 -t 5 -p 22 -r x -P 2.0",
            SshProbe("192.0.2.1", timeout=5, remote_version="x", remote_protocol="2.0"),
        ),
    ],
)
def test_words_to_probe(words: str, probe: SshProbe | None) -> None:
    if probe is None:
        probe = SshProbe("192.0.2.1", family=AF_INET, remote_protocol="2.0", remote_version="OpenSSH_9.2p1")
    assert command(*split(words)).probe == probe


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Could not parse arguments"),
        (["-v"], "Could not parse arguments"),
        (["-p", "22"], "Could not parse arguments"),
        (["-p", "a|b\n", "h"], "Port number must be a positive integer - a b "),
        (["h", "abc"], "Port number must be a positive integer - abc"),
        (["h", ""], "Port number must be a positive integer - "),
        (["-H", "h", "g"], "Port number must be a positive integer - g"),
        (["h", "0"], "Port number must be a positive integer - 0"),
        (["h", "-p", "22200"], "Options must stand before the host - -p"),
        (["-p", "22", "h", "--min-version", "9"], "Options must stand before the host - --min-version"),
        (["h", "22", "-w", "9"], "Options must stand before the host - -w"),
        (["h", "22", "--nosuch"], "Options must stand before the host - --nosuch"),
        (["-t", "1.5", "h"], "Timeout interval must be a positive integer - 1.5"),
        (["-4", "-H", "::1"], "Invalid hostname/address - ::1"),
        (["-H", "::1", "-4"], "Invalid hostname/address - ::1"),
        (["-6", "127.0.0.1"], "Invalid hostname/address - 127.0.0.1"),
        (["-H", ""], "Invalid hostname/address - "),
        ([""], "Invalid hostname/address - "),
        (["-X", "h"], "invalid option -- 'X'"),
        (["--verbose=1", "h"], "option '--verbose' doesn't allow an argument"),
        (["--version-pattern", "(", "h"], "Version pattern is no regular expression: missing ), "),
        (["--min-version", "", "h"], "Min version must not be empty"),
        (["--version-pattern", "", "h"], "Version pattern must not be empty"),
        (["--policy", "", "h"], "Policy must not be empty"),
        (["--known-hosts", "", "h"], "Known hosts must not be empty"),
        (["--min-version", "new", "h"], "Minimum version must be numbers with dots, as 9.6 or 9.6p1, not new"),
        (["--overload-state", "x", "h"], "Overload state must be one of ok, warning, critical, unknown: x"),
    ],
)
def test_usage_errors(words: list[str], message: str) -> None:
    code, text = run("check_ssh", ["/usr/lib/nagios/plugins/check_ssh", *words])
    assert code == 3
    assert text.startswith(f"check_ssh: {message}")
    assert text.endswith(f"\n{USAGE}")
    assert text.splitlines()[1:] == USAGE.splitlines()


@pytest.mark.parametrize(("prefix", "probe"), [("--ti", SshProbe("h", timeout=3)), ("--p", SshProbe("h", port=3))])
def test_our_own_options_spoil_no_abbreviation(prefix: str, probe: SshProbe) -> None:
    assert command(prefix, "3", "h").probe == probe
    assert run("check_ssh", ["check_ssh", "--vers"])[1].startswith("check_ssh v")


@pytest.mark.parametrize("prefix", ["--h", "--v", "--remote"])
def test_ambiguous_prefix(prefix: str) -> None:
    with pytest.raises(UsageError, match="ambiguous"):
        command(prefix, "x", "h")


def test_help_names_every_option() -> None:
    _, text = run("check_ssh", ["check_ssh", "--help"])
    assert "Try to connect to an SSH server at specified server and port" in text
    assert USAGE in text
    for option in PLUGIN.options:
        assert f"--{option.name}" in text


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ([], 0, "SSH OK - OpenSSH_9.2p1 (protocol 2.0) | time="),
        (["-r", "OpenSSH_8"], 2, "SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0) version mismatch, expected 'OpenSSH_8'"),
        (["-w", "0"], 1, "SSH WARNING - OpenSSH_9.2p1 (protocol 2.0), 0.0"),
        (["-w", "0", "-c", "0"], 2, "SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0), 0.0"),
        (
            ["--min-version", "9.6"],
            2,
            "SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0) version mismatch, expected at least",
        ),
        (["--version-pattern", "^OpenSSH_9"], 0, "SSH OK - OpenSSH_9.2p1 (protocol 2.0) | time="),
    ],
)
def test_runs(words: list[str], code: int, text: str) -> None:
    with serve(BANNER) as server:
        found = run("check_ssh", ["check_ssh", *words, "-p", str(server.port), "127.0.0.1"])
        assert found[0] == code
        assert found[1].startswith(text)
        assert "\n" not in found[1]


def test_unknown_name() -> None:
    code, text = run("check_ssh", ["check_ssh", "nosuch.invalid"])
    assert code == 3
    assert text == "check_ssh: Invalid hostname/address - nosuch.invalid"


def test_endless_timeout_is_shown_as_it_was_given() -> None:
    with serve(BANNER) as server:
        _, text = run("check_ssh", ["check_ssh", "-t", "-1", "127.0.0.1", str(server.port)])
    assert text.endswith("s;;;0.000000;-1.000000")


def test_verbose_follows_the_status_line() -> None:
    with serve(BANNER) as server:
        code, text = run("check_ssh", ["check_ssh", "-v", "127.0.0.1", str(server.port)])
    lines = text.splitlines()
    assert code == 0
    assert lines[0].startswith("SSH OK - ")
    assert any("SSH-2.0-OpenSSH_9.2p1 Debian" in line for line in lines[1:])
    assert any("SSH-2.0-check_ssh_" in line for line in lines[1:])


def test_json() -> None:
    with serve(b"Welcome\r\n" + BANNER) as server:
        words = ["check_ssh", "--output-format", "json", "127.0.0.1", str(server.port)]
        code, text = run("check_ssh", words)
    tree = json.loads(text)
    assert code == tree["exit_code"] == 0
    assert tree["facts"]["pre_banner_lines"] == ["Welcome"]
    assert tree["facts"]["comment"] == "Debian-2+deb12u3"


def test_multi_line() -> None:
    with serve(BANNER) as server:
        words = ["check_ssh", "--output-format", "multi-line", "127.0.0.1", str(server.port)]
        _, text = run("check_ssh", words)
    lines = text.splitlines()
    assert lines[:3] == [
        "[OK] - SSH check was successful",
        "\t\\_[OK] - SSH server version: OpenSSH_9.2p1 (protocol version: 2.0)",
        "\t\\_[OK] - Valid protocol version control string SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
    ]
    assert lines[3].startswith("\t\\_[OK] - Connection time ")


def test_plain_path_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from noidchecks.plugin.main import run\n"
        "assert run('check_ssh', ['check_ssh', '-w1', '--min-version', '9', '127.0.0.1', sys.argv[1]])[0] == 0\n"
        "print(*sys.modules)"
    )
    with serve(BANNER) as server:
        loaded = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, str(server.port), str(ROOT)],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
    heavy = {"asyncio", "ssl", "socket", "logging", "dataclasses", "typing", "enum", "re", "click", "paramiko", "json"}
    assert not heavy.intersection(loaded)

"""Nagios Core runs the plugins by the definitions of nagios/."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.contract.compare import OURS
from integration.monitoring import hostile
from integration.monitoring.nagios import Nagios
from integration.monitoring.objects import PLAIN
from integration.monitoring.servers import Farm
from integration.monitoring.service import Service, wait_for

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]
NAGIOS = Path(__file__).parents[2] / "nagios"
FILES = [NAGIOS / name for name in ("commands.cfg", "commands-debian.cfg", "templates.cfg")]
DEBIAN = Path("/etc/nagios-plugins/config")
MACROS = {"$USER5$": str(OURS)}

CHECKS = {
    "ftp": "check_ftp_options",
    "ftp-debian": "check_ftp",
    "ftp-debian-4": "check_ftp_4",
    "ftp-debian-argument": "check_ftp!-w 5 -c 10",
    "ftp-two-words": "check_ftp_options!-w 5 -c 10",
    "tftp": "check_tftp",
    "tftp-file": "check_tftp_file!hello.txt!--size 14",
    "ssh": "check_ssh_options",
    "ssh-debian": "check_ssh",
    "ssh-debian-4": "check_ssh_4",
    "ssh-debian-port": "check_ssh_port!22",
    "ssh-debian-port-4": "check_ssh_port_4!22",
    "ssh-policy": "check_ssh_policy!compatible!--algorithms",
    "silence": "check_noid_silence",
}


# The services that are followed while a server stops and comes back; Nagios checks the others once, at its start.
FOLLOWED = ("ftp", "tftp", "ssh-debian")


def service(name: str, command: str, template: str = "noid-service", more: str = "") -> str:
    """A service of the host `lab`."""
    # Not longer than the notification interval, of which Nagios warns.
    interval = 1 if name in FOLLOWED else 30
    return (
        f"define service {{\n use {template},plain-service\n host_name lab\n service_description {name}\n"
        f" check_command {command}\n check_interval {interval}\n retry_interval 2\n{more}}}\n"
    )


@pytest.fixture(scope="module")
def nagios(new_folder: NewFolder, farm: Farm) -> Iterator[Nagios]:
    with Nagios(new_folder()) as running:
        objects = PLAIN + "".join(service(name, command) for name, command in CHECKS.items())
        running.start(objects, *FILES, macros=MACROS)
        yield running


def settled(nagios: Nagios, name: str) -> Service:
    return wait_for(nagios, ("lab", name), lambda found: found.is_checked)


def test_it_accepts_every_definition(nagios: Nagios) -> None:
    said = nagios.verify()
    assert said.returncode == 0, said.stdout
    assert "Total Warnings: 0" in said.stdout


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "silence"])
def test_every_command_finds_its_server_well(nagios: Nagios, name: str) -> None:
    found = settled(nagios, name)
    assert (found.state, found.hard, found.active) == (0, True, True), found
    assert found.output.startswith(f"{name.partition('-')[0].upper()} OK - "), found
    assert found.perfdata.startswith("time="), found


def test_silence_is_unknown(nagios: Nagios) -> None:
    found = settled(nagios, "silence")
    assert (found.state, found.output) == (3, "UNKNOWN - no result came in time")


@pytest.mark.parametrize(
    ("name", "perfdata"),
    [
        ("ftp", r"time=N;;;0\.000000;10\.000000"),
        ("ftp-debian-argument", r"time=N;5\.000000;;0\.000000;10\.000000"),
        ("ftp-two-words", r"time=N;5\.000000;10\.000000;0\.000000;10\.000000"),
        ("tftp-file", r"time=N;;;0\.000000;10\.000000 size=14B;;14:14;0 retransmissions=0;;;0"),
        ("ssh", r"time=N;;;0\.000000;10\.000000"),
        ("ssh-policy", r"time=N;;;0\.000000;10\.000000"),
    ],
)
def test_performance_data_arrives_whole(nagios: Nagios, name: str, perfdata: str) -> None:
    found = settled(nagios, name)
    assert re.fullmatch(perfdata.replace("N", r"\d+\.\d{6}s"), found.perfdata), found


@pytest.mark.parametrize(("protocol", "name"), [("ftp", "ftp"), ("tftp", "tftp"), ("ssh", "ssh-debian")])
def test_a_server_that_stops_and_comes_back_is_seen(nagios: Nagios, farm: Farm, protocol: str, name: str) -> None:
    settled(nagios, name)
    before = len(alerts(nagios, name))
    with farm.without(protocol):
        down = wait_for(nagios, ("lab", name), lambda found: found.hard and found.state == 2)
        assert down.attempt == 3
        assert "Connection refused" in down.output
        assert down.perfdata.startswith("time="), "a graph goes on while the server is down"
    wait_for(nagios, ("lab", name), lambda found: found.hard and found.state == 0)
    expected = ["CRITICAL;SOFT;1", "CRITICAL;SOFT;2", "CRITICAL;HARD;3", "OK;HARD;3"]
    assert alerts(nagios, name)[before:] == expected


def alerts(nagios: Nagios, name: str) -> list[str]:
    """The changes of state in the log: state, kind and attempt."""
    log = nagios.log_file.read_text(errors="replace")
    return re.findall(rf"SERVICE ALERT: lab;{name};(\w+;\w+;\d+);", log)


def test_a_stale_passive_service_is_checked(new_folder: NewFolder, farm: Farm) -> None:
    checks = {"real": "check_ftp", "unreachable": "check_noid_silence"}
    soon = " freshness_threshold 2\n"
    objects = PLAIN + "".join(service(*row, "noid-passive-service", soon) for row in checks.items())
    with Nagios(new_folder()) as nagios:
        nagios.start(objects, *FILES, macros=MACROS)
        for name in ("real", "unreachable"):
            nagios.command(f"PROCESS_SERVICE_CHECK_RESULT;lab;{name};1;from afar|time=1s")
        for name, state, words in (("real", 0, "FTP OK - "), ("unreachable", 3, "UNKNOWN - no result ")):
            found = wait_for(nagios, ("lab", name), lambda found: found.is_checked and found.output != "from afar")
            assert (found.state, found.output.startswith(words)) == (state, True), found


def test_hostile_greetings_arrive_harmless(new_folder: NewFolder) -> None:
    with hostile.peers() as ports, Nagios(new_folder()) as nagios:
        checks = {name: f"check_{name.partition('-')[0]}_options!-p {port}" for name, port in ports.items()}
        nagios.start(PLAIN + "".join(service(*row) for row in checks.items()), *FILES, macros=MACROS)
        for name in checks:
            hostile.assert_harmless(name, settled(nagios, name))
        assert {name for _, name in nagios.services()} == set(checks)
        status = nagios.status_file.read_bytes()
        assert status.count(b"\nservicestatus {\n") == len(checks), "no service was forged"


def test_beside_the_commands_of_debian(new_folder: NewFolder) -> None:
    """Ours have names of their own; those of Debian's names take the place of two of its files."""
    nagios = Nagios(new_folder())
    theirs = [path for path in sorted(DEBIAN.glob("*.cfg")) if path.name not in ("ftp.cfg", "ssh.cfg")]
    objects = PLAIN + service("ftp", "check_ftp")
    nagios.configure(objects, *FILES, *theirs, macros=MACROS)
    assert nagios.verify().returncode == 0
    nagios.configure(objects, NAGIOS / "commands.cfg", NAGIOS / "templates.cfg", *DEBIAN.glob("*.cfg"), macros=MACROS)
    assert nagios.verify().returncode == 0
    nagios.configure(objects, *FILES, *DEBIAN.glob("*.cfg"), macros=MACROS)
    assert nagios.verify().returncode != 0, "Nagios does not start when a command is defined twice"


def test_the_commands_of_debian_run_our_plugins_unchanged(new_folder: NewFolder, farm: Farm) -> None:
    """As written by Debian, with only the folder of the plugins exchanged."""
    folder = new_folder()
    for name in ("ftp.cfg", "ssh.cfg"):
        text = (DEBIAN / name).read_text()
        assert text.count("/usr/lib/nagios/plugins/") >= 2
        (folder / name).write_text(text.replace("/usr/lib/nagios/plugins/", f"{OURS}/"))
    checks = {"check_ftp": "ftp", "check_ftp!-w 5 -c 10": "ftp", "check_ftp_4": "ftp", "check_ssh": "ssh"}
    checks |= {"check_ssh_port!22": "ssh", "check_ssh_4": "ssh", "check_ssh_port_4!22": "ssh"}
    names = {re.sub(r"\W+", "-", command): command for command in checks}
    with Nagios(new_folder()) as nagios:
        objects = PLAIN + "".join(service(*row) for row in names.items())
        nagios.start(objects, NAGIOS / "templates.cfg", *folder.glob("*.cfg"), macros={})
        for name, command in names.items():
            assert settled(nagios, name).output.startswith(f"{checks[command].upper()} OK - ")


def test_our_command_lines_are_those_of_debian() -> None:
    def lines(*paths: Path) -> set[tuple[str, str]]:
        text = "\n".join(path.read_text() for path in paths).replace("$USER5$", "/usr/lib/nagios/plugins")
        return set(re.findall(r"command_name\s+(\S+)\s+command_line\s+(.*)", text))

    assert lines(NAGIOS / "commands-debian.cfg") == lines(DEBIAN / "ftp.cfg", DEBIAN / "ssh.cfg")

"""Icinga 2 runs the plugins, by the commands of nagios/icinga2 and by those of its own template library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from integration.contract.compare import OURS
from integration.monitoring import hostile
from integration.monitoring.icinga import Icinga
from integration.monitoring.servers import Farm
from integration.monitoring.service import Service, wait_for, wait_for_all
from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS, parse, plugin_of
from tests.support.nagios_scripts import load

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]
FOLDER = Path(__file__).parents[2] / "nagios" / "icinga2"
FILES = [FOLDER / "noidchecks-plugins.conf", FOLDER / "noidchecks-templates.conf"]
HOST = 'object Host "lab" { check_command = "dummy", enable_active_checks = false, address = "127.0.0.1" }\n'

Checks = Mapping[str, tuple[str, Mapping[str, str]]]
CHECKS: Checks = {
    # The template library's own definitions, as they are.
    "ftp-itl": ("ftp", {}),
    "ftp-itl-all": (
        "ftp",
        {
            "port": "21",
            "expect": '[ "220", "vsFTPd" ]',
            "all": "true",
            "escape_send": "true",
            "send": '""',
            "quit": r'"QUIT\\r\\n"',
            "escape_quit": "true",
            "jail": "true",
            "wtime": "5",
            "ctime": "10",
            "ipv4": "true",
        },
    ),
    "ssh-itl": ("ssh", {}),
    "ssh-itl-all": ("ssh", {"port": "22", "timeout": "9", "ipv4": "true"}),
    "ftp": ("noid_ftp", {}),
    "ftp-expect": ("noid_ftp", {"expect": '[ "220", "vsFTPd" ]', "all": "true", "wtime": '"0:5"', "phases": "true"}),
    "ftp-data": ("noid_ftp", {"data": '"both"', "get": '"hello.txt"', "size": '"14"'}),
    "ftp-list": ("noid_ftp", {"list": '""', "min_files": "2"}),
    "ssh": ("noid_ssh", {}),
    "ssh-algorithms": ("noid_ssh", {"algorithms": "true", "forbid": '[ "*-cbc", "nosuch" ]', "min_version": '"5.0"'}),
    "tftp": ("tftp", {}),
    "tftp-files": ("tftp", {"file": '[ "hello.txt", "blocks.bin" ]', "size": '[ "14", "1024" ]', "timeout": "5"}),
}


# The services that are followed while a server stops and comes back; the others are checked once, because a process for
# each in each second would leave nothing of the machine to the other tests.
FOLLOWED = ("ftp-itl", "ftp", "tftp", "ssh-itl", "ssh", "ssh-debian")


def service(name: str, command: str, variables: Mapping[str, str], more: str = "") -> str:
    """A service of the host `lab`."""
    interval = "1s" if name in FOLLOWED else "1h"
    protocol = name.partition("-")[0]
    lines = "".join(f"  vars.{protocol}_{key} = {value}\n" for key, value in variables.items())
    return (
        f'object Service "{name}" {{\n  import "noid-service"\n  host_name = "lab"\n  check_command = "{command}"\n'
        f"  check_interval = {interval}\n  retry_interval = 2s\n{lines}{more}}}\n"
    )


@pytest.fixture(scope="module")
def icinga(new_folder: NewFolder, farm: Farm) -> Iterator[Icinga]:
    with Icinga(new_folder()) as running:
        services = "".join(service(name, *check) for name, check in CHECKS.items())
        running.start(HOST + services, *FILES, constants={"PluginDir": str(OURS)})
        running.check_all()
        yield running


def settled(icinga: Icinga, name: str) -> Service:
    return wait_for(icinga, ("lab", name), lambda found: found.is_checked)


def is_soft(attempt: int, found: Service) -> bool:
    return not found.hard and found.attempt == attempt


def is_well(found: Service) -> bool:
    return found.is_checked and found.hard and found.state == 0


def words(icinga: Icinga, name: str) -> list[str]:
    """The command line of the newest check."""
    return command_line(icinga.ask(f"objects/services/lab!{name}")["results"][0]["attrs"])


def command_line(row: Mapping[str, Any]) -> list[str]:
    return [str(word) for word in row["last_check_result"]["command"]]


def test_it_accepts_every_definition(icinga: Icinga) -> None:
    said = icinga.verify()
    assert said.returncode == 0, said.stdout
    assert "warning" not in said.stdout


@pytest.mark.parametrize("name", CHECKS)
def test_every_command_finds_its_server_well(icinga: Icinga, name: str) -> None:
    found = settled(icinga, name)
    assert (found.state, found.hard, found.active) == (0, True, True), found
    assert found.output.startswith(f"{name.partition('-')[0].upper()} OK - "), found
    assert found.perfdata.startswith("time="), found


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ftp-itl", "check_ftp -H 127.0.0.1 -M warn -r crit -t 10"),
        ("ssh-itl", "check_ssh 127.0.0.1"),
        ("ssh-itl-all", "check_ssh -4 -p 22 -t 9 127.0.0.1"),
        ("ftp", "check_ftp -H 127.0.0.1 -M warn -r crit -t 10"),
        ("ssh", "check_ssh 127.0.0.1"),
        ("tftp", "check_tftp -H 127.0.0.1"),
    ],
)
def test_the_command_lines_are_those_of_the_library(icinga: Icinga, name: str, line: str) -> None:
    settled(icinga, name)
    assert words(icinga, name) == [f"{OURS}/{line.split()[0]}", *line.split()[1:]]


@pytest.mark.parametrize(
    ("name", "perfdata"),
    [
        ("ftp-itl", r"time=N;;;0\.000000;10\.000000"),
        ("ftp-itl-all", r"time=N;5\.000000;10\.000000;0\.000000;10\.000000"),
        ("ftp-expect", r"time=N;5\.000000;;0\.000000;10\.000000( \w+=N;;;0\.000000)+"),
        ("tftp-files", r"time=N;;;0\.000000;5\.000000 size=1038B;;;0 retransmissions=0;;;0"),
        ("ssh-itl", r"time=N;;;0\.000000;10\.000000"),
        ("ssh-algorithms", r"time=N;;;0\.000000;10\.000000"),
    ],
)
def test_performance_data_arrives_whole(icinga: Icinga, name: str, perfdata: str) -> None:
    found = settled(icinga, name)
    assert re.fullmatch(perfdata.replace("N", r"\d+\.\d{6}s"), found.perfdata), found


@pytest.mark.parametrize(
    ("protocol", "name"), [("ftp", "ftp-itl"), ("ftp", "ftp"), ("tftp", "tftp"), ("ssh", "ssh-itl"), ("ssh", "ssh")]
)
def test_a_server_that_stops_and_comes_back_is_seen(icinga: Icinga, farm: Farm, protocol: str, name: str) -> None:
    # It may still be down from what another service of the same server was tested with.
    wait_for(icinga, ("lab", name), is_well)
    with farm.without(protocol):
        for attempt in (1, 2):
            soft = wait_for(icinga, ("lab", name), partial(is_soft, attempt))
            assert soft.state == 2
        hard = wait_for(icinga, ("lab", name), lambda found: found.hard and found.state == 2)
        assert "Connection refused" in hard.output
        assert hard.perfdata.startswith("time="), "a graph goes on while the server is down"
    wait_for(icinga, ("lab", name), is_well)


def test_every_variable_reaches_its_plugin(new_folder: NewFolder) -> None:
    """One service for each: whether its value is right is the plugin's affair, its option must be a known one.

    Icinga runs true(1) in place of the plugins: the command line counts, and to parse it here costs a hundredth of what
    200 processes cost.
    """
    variable = load("nagios/generate.py").variable
    expected = {}
    definitions = [HOST]
    for plugin in map(plugin_of, PLUGINS):
        protocol = plugin.name.removeprefix("check_")
        command = f"noid_{protocol}" if protocol in ("ftp", "ssh") else protocol
        used = set(re.findall(rf"\$({protocol}_\w+)\$\"", FILES[0].read_text()))
        known = {variable(protocol, option): option for option in plugin.options}
        for setting in sorted(used - {f"{protocol}_address"}):
            option = known.get(setting) or known[setting.removesuffix("_send").removesuffix("_quit")]
            name = f"{protocol}-{setting.removeprefix(f'{protocol}_')}"
            value = '[ "1", "2" ]' if option.repeatable else '"1"' if option.metavar else "true"
            key = f"-{option.letter}" if option.letter else f"--{option.name}"
            expected[name] = [key, "1", key, "2"] if option.repeatable else [key, "1"] if option.metavar else [key]
            definitions.append(service(name, command, {setting.removeprefix(f"{protocol}_"): value}))
    folder = new_folder()
    for name in PLUGINS:
        (folder / name).symlink_to("/bin/true")
    with Icinga(new_folder()) as icinga:
        icinga.start("".join(definitions), *FILES, constants={"NoidchecksDir": str(folder)})
        icinga.check_all()
        wait_for_all(icinga, expected)
        lines = {row["attrs"]["name"]: command_line(row["attrs"]) for row in icinga.ask("objects/services")["results"]}
        for name, option_words in expected.items():
            line = lines[name]
            at = line.index(option_words[0])
            assert line[at : at + len(option_words)] == option_words, line
            refused = r"(unrecognized|invalid|ambiguous) option|requires an argument|allow an argument|Unexpected word"
            assert not re.search(refused, complaint(line)), line


def complaint(words: Sequence[str]) -> str:
    """Returns what a plugin finds wrong with its command line, or nothing."""
    try:
        parse(words)
    except UsageError as error:
        return str(error)
    return ""


def test_where_the_library_is_not_included_ours_take_its_names(new_folder: NewFolder, farm: Farm) -> None:
    with Icinga(new_folder()) as icinga:
        services = service("ftp", "ftp", {}) + service("ssh", "ssh", {})
        constants = {"NoidchecksDir": str(OURS), "NoidchecksPrefix": ""}
        icinga.start(HOST + services, *FILES, constants=constants, library=False)
        icinga.check_all()
        for name in ("ftp", "ssh"):
            assert settled(icinga, name).state == 0
        icinga.configure(HOST, *FILES, constants=constants)
        assert icinga.verify().returncode != 0, "Icinga 2 does not start when a command is defined twice"


def test_ipv6_is_asked_for_as_in_the_library(new_folder: NewFolder, farm: Farm) -> None:
    six = 'object Host "six" { check_command = "dummy", enable_active_checks = false, address6 = "::1" }\n'
    both = 'object Host "both" {\n  import "lab"\n  address6 = "::1"\n}\n'
    families = {"six": (("", "::1"),), "both": (("", "127.0.0.1"), ("ipv4", "127.0.0.1"), ("ipv6", "::1"))}
    commands = (("ftp", "ftp"), ("ftp", "noid_ftp"), ("ssh", "ssh"), ("ssh", "noid_ssh"), ("tftp", "tftp"))
    definitions, expected = [HOST, six, both], {}
    for host, rows in families.items():
        for protocol, command in commands:
            for family, address in rows:
                name = f"{protocol}-{command}-{family or 'any'}"
                made = service(name, command, {family: "true"} if family else {})
                definitions.append(made.replace('host_name = "lab"', f'host_name = "{host}"'))
                expected[host, name] = address
    with Icinga(new_folder()) as icinga:
        icinga.start("".join(definitions), *FILES, constants={"PluginDir": str(OURS)})
        icinga.check_all()
        for key, address in expected.items():
            found = wait_for(icinga, key, lambda found: found.is_checked)
            assert found.state == 0, (key, found)
            row = icinga.ask(f"objects/services/{key[0]}!{key[1]}")["results"][0]["attrs"]
            assert address in row["last_check_result"]["command"], (key, row)


def test_a_passive_service_without_results_is_checked(new_folder: NewFolder, farm: Farm) -> None:
    soon = "  check_interval = 3s\n"
    passive = service("ftp", "noid_ftp", {}, soon).replace("noid-service", "noid-passive-service")
    with Icinga(new_folder()) as icinga:
        icinga.start(HOST + passive, *FILES, constants={"PluginDir": str(OURS)})
        icinga.ask("actions/process-check-result?service=lab!ftp", {"exit_status": 1, "plugin_output": "from afar"})
        wait_for(icinga, ("lab", "ftp"), lambda found: not found.active and found.output == "from afar")
        wait_for(icinga, ("lab", "ftp"), lambda found: found.active and found.state == 0)


def test_hostile_greetings_arrive_harmless(new_folder: NewFolder) -> None:
    with hostile.peers() as ports, Icinga(new_folder()) as icinga:
        checks = "".join(
            service(name, f"noid_{name.partition('-')[0]}", {"port": str(port)}) for name, port in ports.items()
        )
        icinga.start(HOST + checks, *FILES, constants={"PluginDir": str(OURS)})
        icinga.check_all()
        for name in ports:
            hostile.assert_harmless(name, settled(icinga, name))
        assert {name for _, name in icinga.services()} == set(ports)

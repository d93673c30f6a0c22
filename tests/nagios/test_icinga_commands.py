"""The Icinga 2 check commands are those of the option tables, with the variables of the Icinga Template Library."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import PLUGINS, Plugin, parse, plugin_of
from tests.support.nagios_scripts import load

# What the library's own commands read: services that use them need no change.
ITL = {
    "ftp": (
        "address extra_opts port expect all escape_send send escape_quit quit refuse mismatch jail maxbytes delay "
        "certificate ssl wtime ctime timeout ipv4 ipv6"
    ),
    "ssh": "address extra_opts port timeout ipv4 ipv6 remote_version remote_protocol",
}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load("nagios/generate.py")


@pytest.fixture(scope="module")
def text(generator: ModuleType) -> str:
    written: str = generator.TARGET.read_text(encoding="utf-8")
    return written


def body(text: str, plugin: str) -> str:
    """The definition of one plugin's command."""
    (found,) = re.findall(
        rf'^object CheckCommand [^\n]*"{plugin.removeprefix("check_")}" {{\n(.*?)^}}', text, re.M | re.S
    )
    return str(found)


def test_the_file_is_what_the_tables_say(generator: ModuleType, text: str) -> None:
    assert generator.definitions() == text, "run `make docs`"


@pytest.mark.parametrize("name", PLUGINS)
def test_every_option_has_a_variable_of_its_own(generator: ModuleType, text: str, name: str) -> None:
    protocol = name.removeprefix("check_")
    rows = [option for option in plugin_of(name).options if not generator.is_left_out(protocol, option)]
    used = re.findall(r'(?:value|set_if) = "\$(\w+)\$"', body(text, name))
    wanted = [generator.variable(protocol, option) for option in rows]
    if protocol == "ftp":
        wanted.remove("ftp_escape")
        wanted += ["ftp_escape_send", "ftp_escape_quit"]
    assert sorted(used) == sorted(wanted)
    assert len(set(used)) == len(used)


@pytest.mark.parametrize("protocol", ITL)
def test_the_variables_of_the_library_are_kept(text: str, protocol: str) -> None:
    used = re.findall(rf'(?:value|set_if) = "\${protocol}_(\w+)\$"', body(text, f"check_{protocol}"))
    assert set(ITL[protocol].split()) <= set(used)


@pytest.mark.parametrize("name", PLUGINS)
def test_only_options_that_end_or_do_nothing_are_left_out(generator: ModuleType, name: str) -> None:
    protocol = name.removeprefix("check_")
    left_out = [option for option in plugin_of(name).options if generator.is_left_out(protocol, option)]
    for option in left_out:
        assert option.name in ("help", "version") or "ignored" in option.help or "Same as -H" in option.help


def test_values_with_special_characters_are_quoted(generator: ModuleType) -> None:
    flag = Option("loud", "l", help='Say "so" \\n')
    many = Option("word", metavar="WORD", help="A word", repeatable=True)
    plugin = Plugin("check_x", blurb="", usage="", rows=(flag, many), build=plugin_of("check_ftp").build)
    command = generator._command(plugin)
    assert 'object CheckCommand "x" {' in command
    assert 'set_if = "$x_loud$"\n\t\t\tdescription = "Say \\"so\\" \\\\n"' in command
    assert '"--word" = {\n\t\t\tvalue = "$x_word$"\n\t\t\trepeat_key = true' in command


@pytest.mark.parametrize(
    "line",
    ["check_ftp -H a -M warn -r crit -t 10", "check_ssh -p 22 -t 10 a", "check_ftp -H a -E -s x -E -q y -r crit"],
)
def test_command_lines_of_the_library_are_understood(line: str) -> None:
    assert parse(line.split()).probe

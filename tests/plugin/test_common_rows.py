"""The option rows that all plugins share mean the same in each of them; a new plugin is tested once it is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noidchecks import Range, State, UsageError, __version__
from noidchecks.address import AF_INET, AF_INET6
from noidchecks.plugin.help import usage_text
from noidchecks.plugin.main import run
from noidchecks.plugin.plugin import PLUGINS, InformationWanted, parse, plugin_of

# What a plugin needs beside a host.
NEEDED = {"check_sftp": ("--user", "bob", "--agent")}
# The C plugin check_ssh calls a port so, and repeats the number that it refuses; check_sftp is like it.
LIKE_SSH = ("check_ssh", "check_sftp")

SETTINGS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        (),
        {"host": "h", "timeout": 10, "family": 0, "source": "", "timeout_state": State.CRITICAL, "show_phases": False},
    ),
    (("-p", "2121"), {"port": 2121}),
    (("-p2121",), {"port": 2121}),
    (("--port=2121",), {"port": 2121}),
    (("-p", "2121 "), {"port": 2121}),
    (("-p", "1", "-p", "65535"), {"port": 65535}),
    (("-4",), {"family": AF_INET}),
    (("-6",), {"family": AF_INET6}),
    (("-4", "-6"), {"family": AF_INET6}),
    (("--use-ipv6", "--use-ipv4"), {"family": AF_INET}),
    (("--source", "127.0.0.2"), {"source": "127.0.0.2"}),
    (("-4", "--source=127.0.0.2"), {"source": "127.0.0.2", "family": AF_INET}),
    (("-t", "3"), {"timeout": 3}),
    (("-t3",), {"timeout": 3}),
    (("-to", "3"), {"timeout": 3}),
    (("--timeout=3",), {"timeout": 3}),
    (("--ti", "3"), {"timeout": 3}),
    (("-t", "3:unknown"), {"timeout": 3, "timeout_state": State.UNKNOWN}),
    (("-t", "3", "--timeout-state", "warn"), {"timeout": 3, "timeout_state": State.WARNING}),
    (("--timeout-state", "ok", "-t", "3:crit"), {"timeout": 3, "timeout_state": State.CRITICAL}),
    (("-w", "1", "-c", "2:"), {"warning": Range(0, 1), "critical": Range(2)}),
    (("-w", "1:2", "-c", "@3:4"), {"warning": Range(1, 2), "critical": Range(3, 4, inside=True)}),
    (("-wt", "300", "-ct", "600"), {"warning": Range(0, 300), "critical": Range(0, 600)}),
    (("-w", "5 -c 10"), {"warning": Range(0, 5), "critical": None}),
    (("-w", "1", "-w", "2"), {"warning": Range(0, 2)}),
    (("-w", "-1"), {"warning": Range(float("-inf"), -1)}),
    (("-w", ".5"), {"warning": Range(0, 0.5)}),
    (("--phases",), {"show_phases": True}),
]
_PORT = "Port must be a positive integer"
_TIMEOUT = "Timeout interval must be a positive integer"
_STATES = "Timeout state must be one of ok, warning, critical, unknown:"
_SECONDS = "threshold must be a number of seconds or a range:"
REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("-p", "0"), _PORT),
    (("-p", "-5"), _PORT),
    (("-p", "1.5"), _PORT),
    (("-p", "abc"), _PORT),
    (("-p", ""), _PORT),
    (("-p", "٢١"), _PORT),
    (("-p", "99999"), f"{_PORT}, at most 65535"),
    (("-p", "4294967297"), _PORT),
    (("-t", "abc"), _TIMEOUT),
    (("-t", ":ok"), _TIMEOUT),
    (("-t", "3:"), f"{_STATES} "),
    (("-t", "3:bad"), f"{_STATES} bad"),
    (("--timeout-state", "bad"), f"{_STATES} bad"),
    (("-w", "abc"), f"Warning {_SECONDS} abc"),
    (("-w", ""), f"Warning {_SECONDS} "),
    (("-w", "nan"), f"Warning {_SECONDS} nan"),
    (("-c", "20:10"), f"Critical {_SECONDS} 20:10"),
    (("-c", "5s"), f"Critical {_SECONDS} 5s"),
    (("--output-format", "xml"), "Invalid output format: xml"),
    (("--output-format", "x\ny"), "Invalid output format: x y"),
    (("--source", "eth0"), "Source address must be an IPv4 or IPv6 address: eth0"),
    (("-6", "--source", "127.0.0.1"), "Source address 127.0.0.1 is not of the address family asked for"),
    (("-4", "--source", "::1"), "Source address ::1 is not of the address family asked for"),
    (("-#",), "invalid option -- '#'"),
    (("--nosuch",), "unrecognized option '--nosuch'"),
    (("--phases=yes",), "option '--phases' doesn't allow an argument"),
    (("-p",), "option requires an argument -- 'p'"),
    (("--timeout",), "option '--timeout' requires an argument"),
    # They are read before the options are, so that an abbreviation would never be.
    (("--extra-opt=section",), "unrecognized option '--extra-opt'"),
]


def words(name: str, *more: str) -> list[str]:
    return [name, "-H", "h", *NEEDED.get(name, ()), *more]


def said_by(name: str, message: str, value: str) -> str:
    """Returns the message as this plugin says it."""
    if name in LIKE_SSH and message.startswith((_PORT, _TIMEOUT)):
        return f"{message.replace('Port must', 'Port number must')} - {value}"
    return message


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize(("given", "expected"), SETTINGS)
def test_words_become_settings_of_the_probe(name: str, given: tuple[str, ...], expected: dict[str, Any]) -> None:
    probe = parse(words(name, *given)).probe
    assert {field: getattr(probe, field) for field in expected} == expected


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_impossible_words_are_one_clear_line_above_the_usage(name: str, given: tuple[str, ...], message: str) -> None:
    message = said_by(name, message, given[-1])
    with pytest.raises(UsageError) as caught:
        parse(words(name, *given))
    assert str(caught.value) == message
    code, text = run(name, [f"/anywhere/{name}", *words(name, *given)[1:]])
    assert (code, text) == (3, f"{name}: {message}\n{usage_text(plugin_of(name))}")


@pytest.mark.parametrize("name", PLUGINS)
def test_an_empty_deadline_is_none_for_those_like_check_ssh(name: str) -> None:
    # What an argument that is not defined becomes, as with the C plugins.
    if name in LIKE_SSH:
        assert parse(words(name, "-t", "")).probe.timeout == 0
    else:
        with pytest.raises(UsageError, match=_TIMEOUT):
            parse(words(name, "-t", ""))


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("word", ["-v", "-vv", "--verbose", "--transcript"])
def test_verbose_is_of_the_command(name: str, word: str) -> None:
    command = parse(words(name, word))
    assert (command.verbose, command.output_format) == (True, "")
    assert command.probe == parse(words(name)).probe


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("word", ["multi-line", "json", "JSON"])
def test_the_output_format_is_of_the_command(name: str, word: str) -> None:
    command = parse(words(name, "--output-format", word))
    assert (command.verbose, command.output_format) == (False, word.lower())
    assert command.probe == parse(words(name)).probe


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("word", ["-h", "--help", "-V", "--version", "--vers"])
def test_help_and_version_end_the_reading(name: str, word: str) -> None:
    with pytest.raises(InformationWanted):
        parse([name, word, "-p", "x"])
    code, text = run(name, [name, word, "-p", "x"])
    assert code == 3
    assert text.startswith(f"{name} v{__version__} ")
    assert all(f"--{row.name}" in text for row in plugin_of(name).rows) is (word in ("-h", "--help"))


@pytest.mark.parametrize("name", PLUGINS)
def test_what_stands_before_help_is_judged_first(name: str) -> None:
    code, text = run(name, [name, "-p", "x", "-h"])
    assert (code, text.splitlines()[0]) == (3, f"{name}: {said_by(name, _PORT, 'x')}")


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("word", ["warning", "Warn", "WARNING", "w", "1"])
def test_a_state_is_read_alike_wherever_it_stands(name: str, word: str) -> None:
    for given in (("--timeout-state", word), ("-t", f"3:{word}")):
        probe: Any = parse(words(name, *given)).probe
        assert probe.timeout_state == State.WARNING


@pytest.mark.parametrize("name", PLUGINS)
def test_options_come_from_a_file_too_and_the_command_line_wins(name: str, tmp_path: Path) -> None:
    file = tmp_path / "plugins.ini"
    file.write_text(f"[{name}]\nport = 2121\ntimeout = 7\nphases =\n[other]\nport = 3\n")
    probe: Any = parse(words(name, f"--extra-opts=@{file}", "-t", "8")).probe
    assert (probe.port, probe.timeout, probe.show_phases) == (2121, 8, True)
    probe = parse(words(name, f"--extra-opts=other@{file}")).probe
    assert (probe.port, probe.timeout) == (3, 10)


@pytest.mark.parametrize("name", PLUGINS)
def test_a_host_is_needed(name: str) -> None:
    code, text = run(name, [name, "-H"])
    assert (code, text.splitlines()[0]) == (3, f"{name}: option requires an argument -- 'H'")

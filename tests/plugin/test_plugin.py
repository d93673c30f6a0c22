"""Tests of noidchecks.plugin.plugin."""

from __future__ import annotations

import pytest

from noidchecks import FtpProbe, UsageError, parse_line
from noidchecks.plugin.plugin import PLUGINS, parse, plugin_of


@pytest.mark.parametrize(
    "name",
    ["check_ftp", "/usr/lib/nagios/plugins/check_ftp", "noid_check_ftp", "./noid_check_ftp", "my_check_check_ftp"],
)
def test_a_plugin_is_known_by_the_name_of_its_executable(name: str) -> None:
    assert plugin_of(name).name == "check_ftp"


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_has_its_own_table(name: str) -> None:
    assert plugin_of(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "ftp", "check_", "check_http", "check_ftp/", "check_ftpX", "check_ftp_check", "Check_ftp", "check_ftp "],
)
def test_other_programs_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not one of check_ftp, check_tftp, check_ssh, check_sftp: "):
        plugin_of(name)


def test_a_program_name_is_printed_safely() -> None:
    with pytest.raises(UsageError) as caught:
        plugin_of("check_\nFTP OK | x=1")
    assert str(caught.value).isprintable()


def test_a_line_is_split_as_a_shell_would() -> None:
    line = "/usr/bin/check_ftp -H ftp.example.org -e 'two words' -s \"a 'quote'\" -q ''"
    assert parse_line(line).probe == FtpProbe(
        "ftp.example.org", expect=(b"two words",), send=b"a 'quote'", quit=b"\r\n"
    )


def test_nothing_else_of_a_shell_is_understood() -> None:
    probe = parse_line("check_ftp -H $HOME -s `id`;#x -e a|b").probe
    assert probe == FtpProbe("$HOME", send=b"`id`;#x", expect=(b"a|b",))


@pytest.mark.parametrize(
    ("line", "message"), [("check_ftp 'x", "no closing quotation"), ("check_ftp \\", "no escaped")]
)
def test_a_line_that_cannot_be_split_is_a_usage_error(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"command line cannot be split: {message}"):
        parse_line(line)


@pytest.mark.parametrize("word", ["--help", "-V"])
def test_a_line_that_asks_for_help_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError, match="asks for help, not for a check"):
        parse_line(f"check_ftp {word}")


@pytest.mark.parametrize("line", ["", "   ", "#"])
def test_a_line_without_a_plugin_is_a_usage_error(line: str) -> None:
    with pytest.raises(UsageError, match="not one of"):
        parse_line(line)


@pytest.mark.parametrize(
    "words", [["-H", "a\0b"], ["-H", "/a\0b"], ["-S", "--verify", "--ca-file", "\0"], ["--extra-opts=@\0"], ["\0"]]
)
def test_a_word_that_no_command_line_can_hold_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageError, match="NUL"):
        parse(["check_ftp", *words])


def test_words_of_bytes_survive() -> None:
    probe = parse(["check_ftp", "-H", "\udcff", "-s", "\udcff\udcfe", "-e", "é"]).probe
    assert probe == FtpProbe.of_any_host("\udcff", send=b"\xff\xfe", expect=("é".encode(),))

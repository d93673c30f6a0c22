"""Tests of noidchecks.plugin.common."""

from __future__ import annotations

import pytest

from noidchecks import Command, FtpProbe, Range, SshProbe, State, TftpProbe, UsageError
from noidchecks.plugin.common import Given, first_integer, integer, port, state, threshold
from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import PLUGINS, Plugin, parse, plugin_of

PROBES = {"check_ftp": FtpProbe, "check_tftp": TftpProbe, "check_ssh": SshProbe, "check_sftp": SshProbe}


@pytest.mark.parametrize("name", PLUGINS)
def test_each_row_gives_a_setting_of_its_probe(name: str) -> None:
    fields = {row.field for row in plugin_of(name).options if row.field}
    assert fields - {"verbose", "output_format"} <= set(PROBES[name]._fields)


def test_a_row_reads_its_own_value() -> None:
    rows = (
        Option("calm", field="speed", value=1),
        Option("name", metavar="NAME", field="name"),
        Option("put-size", metavar="BYTES", repeatable=True, field="sizes", read=lambda text, title: (title, text)),
        Option("pair", metavar="A:B", read=lambda text, _: dict(zip("ab", text.split(":"), strict=True))),
        Option("other", metavar="TEXT"),
    )
    found = Given(Plugin("check_x", blurb="", usage="", rows=rows, build=lambda _: Command(FtpProbe())))
    for word in ("calm=", "name=n", "put-size=1", "put-size=2", "pair=x:y", "other=o"):
        found.take(*word.split("="))
    sizes = (("Put size", "1"), ("Put size", "2"))
    assert found.settings == {"speed": 1, "name": "n", "sizes": sizes, "a": "x", "b": "y"}
    assert found.texts == {"other": "o"}


def ftp(*words: str) -> FtpProbe:
    probe = parse(["check_ftp", "-H", "localhost", *words]).probe
    assert isinstance(probe, FtpProbe)
    return probe


@pytest.mark.parametrize(
    ("text", "number"),
    [("21", 21), (" 21", 21), ("21 ", 21), ("021", 21), ("0", 0), ("-5", -5), ("2147483647", 2147483647)],
)
def test_integer_reads_decimal_numbers(text: str, number: int) -> None:
    assert integer(text) == first_integer(text) == number


@pytest.mark.parametrize(("text", "number"), [("2 1", 2), ("1 -4", 1), ("-5 -4", -5), ("5-4", 5), (" 3  ", 3)])
def test_of_several_integers_the_c_plugins_read_the_first(text: str, number: int) -> None:
    assert first_integer(text) == number


@pytest.mark.parametrize("text", ["", " ", "-", "--5", "2 x", "- 5", "5\n", "2147483648 1"])
def test_a_text_that_begins_with_no_integer_is_none(text: str) -> None:
    assert first_integer(text) is None


@pytest.mark.parametrize(
    "text",
    ["", " ", "-", "--5", "+5", "1.5", "1e3", "abc", "0x10", "1_000", "٣", "²", "2 1", "21\n", "2147483648"],
)
def test_integer_refuses_everything_else(text: str) -> None:
    assert integer(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "Port must be a positive integer"),
        ("-5", "Port must be a positive integer"),
        ("abc", "Port must be a positive integer"),
        ("1.5", "Port must be a positive integer"),
        ("", "Port must be a positive integer"),
        ("65536", "Port must be a positive integer, at most 65535"),
        ("99999", "Port must be a positive integer, at most 65535"),
    ],
)
def test_a_port_is_a_positive_integer(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        port(text)
    assert str(caught.value) == message
    with pytest.raises(UsageError) as caught:
        port(text, words="Port number", show_value=True)
    assert str(caught.value) == f"{message.replace('Port', 'Port number')} - {text}"


@pytest.mark.parametrize("text", ["1", "21", "65535", "22100 "])
def test_a_port_is_read(text: str) -> None:
    assert port(text) == int(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("5", Range(0, 5)),
        (" 5", Range(0, 5)),
        ("5 -c 10", Range(0, 5)),
        ("0.5", Range(0, 0.5)),
        ("0", Range(0, 0)),
        ("1:2", Range(1, 2)),
        ("@1:2", Range(1, 2, inside=True)),
        ("-1", Range(float("-inf"), -1)),
    ],
)
def test_a_threshold_is_a_number_or_a_range(text: str, limit: Range) -> None:
    assert threshold(text, "Warning") == limit


@pytest.mark.parametrize("text", ["", " ", "abc", "5s", "5,5", "nan", "inf", "1:2:3", "2:1", "-", "-x", "~"])
def test_a_threshold_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^Warning threshold must be a number of seconds or a range: "):
        threshold(text, "Warning")


def test_a_negative_threshold_always_alerts() -> None:
    assert threshold("-1", "Critical").alerts(0.0001)


def test_a_state_is_read_by_its_name() -> None:
    assert state("unk", "Timeout state") == State.UNKNOWN
    with pytest.raises(UsageError, match=r"^Timeout state must be one of ok, warning, critical, unknown: x"):
        state("x", "Timeout state")


@pytest.mark.parametrize("word", ["--extra-opt", "--extra-opt=section", "--extra", "--ext=x@/nowhere"])
def test_extra_opts_that_are_not_spelt_out_are_not_ignored(word: str) -> None:
    """They are read before the options are, so that an abbreviation would never be."""
    with pytest.raises(UsageError, match="unrecognized option '--ext"):
        ftp(word, "section")


@pytest.mark.parametrize(
    ("word", "settings"),
    [("--ti", {"timeout": 3}), ("--t", {"timeout": 3}), ("--ex", {"expect": (b"3",)}), ("--po", {"port": 3})],
)
def test_abbreviations_that_the_c_plugin_understands_are_understood(word: str, settings: dict[str, object]) -> None:
    assert ftp(word, "3") == FtpProbe("localhost", **settings)  # type: ignore[arg-type]  # a table of any settings


@pytest.mark.parametrize("word", ["warning", "Warn", "WARNING", "w", "1"])
def test_states_are_read_alike_by_all_options(word: str) -> None:
    line = f"check_ftp -H h --data passive --foreign-pasv {word} --timeout-state {word}"
    ftp = parse(line.split()).probe
    assert isinstance(ftp, FtpProbe)
    tftp = parse(["check_tftp", "h", "--foreign-answer", word, "-t", f"3:{word}"]).probe
    assert isinstance(tftp, TftpProbe)
    ssh = parse(["check_ssh", "--overload-state", word, "h"]).probe
    assert isinstance(ssh, SshProbe)
    found = (ftp.foreign_pasv, ftp.timeout_state, tftp.foreign_answer, tftp.timeout_state, ssh.overload_state)
    assert set(found) == {State.WARNING}

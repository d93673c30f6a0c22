"""Tests of noidchecks.plugin.getopt."""

from __future__ import annotations

import getopt

import pytest
from hypothesis import given, strategies as st

from noidchecks import UsageError
from noidchecks.plugin.getopt import Option, Scan

OPTIONS = (
    Option("hostname", "H", "ADDRESS"),
    Option("port", "p", "PORT"),
    Option("jail", "j"),
    Option("verbose", "v"),
    Option("expect", "e", "STRING", repeatable=True),
    Option("escape", "E"),
    Option("sni", metavar="NAME"),
    Option("ssl", "S"),
    Option("warning", "w", "RANGE"),
    Option("warning-codes", "W", "STRING"),
    Option("timeout", "t", "SECONDS"),
    Option("critical", "c", "RANGE"),
)


def scan(*words: str, options: tuple[Option, ...] = OPTIONS) -> tuple[list[tuple[str, str]], list[str]]:
    scanned = Scan(options, words)
    return list(scanned), scanned.rest


@pytest.mark.parametrize(
    ("words", "found", "rest"),
    [
        ([], [], []),
        (["-H", "a"], [("hostname", "a")], []),
        (["-Ha"], [("hostname", "a")], []),
        (["-H=a"], [("hostname", "=a")], []),
        (["-H", ""], [("hostname", "")], []),
        (["-H", "-p"], [("hostname", "-p")], []),
        (["-H", "--"], [("hostname", "--")], []),
        (["--hostname=a"], [("hostname", "a")], []),
        (["--hostname="], [("hostname", "")], []),
        (["--hostname=a=b"], [("hostname", "a=b")], []),
        (["--hostname", "--port"], [("hostname", "--port")], []),
        (["--host", "a"], [("hostname", "a")], []),
        (["--h=a"], [("hostname", "a")], []),
        (["-jv"], [("jail", ""), ("verbose", "")], []),
        (["-jw1"], [("jail", ""), ("warning", "1")], []),
        (["-jw", "1"], [("jail", ""), ("warning", "1")], []),
        (["-wj"], [("warning", "j")], []),
        (["--warning", "1"], [("warning", "1")], []),
        (["--warning-", "1"], [("warning-codes", "1")], []),
        (["--ss"], [("ssl", "")], []),
        (["-e", "a", "-e", "b"], [("expect", "a"), ("expect", "b")], []),
        # the first word that is no option ends them
        (["-j", "a", "-v"], [("jail", "")], ["a", "-v"]),
        (["a", "-v"], [], ["a", "-v"]),
        (["", "-v"], [], ["", "-v"]),
        (["-", "-v"], [], ["-", "-v"]),
        (["-j", "--", "-v"], [("jail", "")], ["-v"]),
        (["--", "--"], [], ["--"]),
        # what the C plugins rewrite first, wherever it stands
        (["-wt", "1", "-ct", "2", "-to", "3"], [("warning", "1"), ("critical", "2"), ("timeout", "3")], []),
        (["-e", "-to"], [("expect", "-t")], []),
        (["-wtx"], [("warning", "tx")], []),
        (["-tov"], [("timeout", "ov")], []),
    ],
)
def test_words_are_taken_apart_as_getopt_long_does(
    words: list[str], found: list[tuple[str, str]], rest: list[str]
) -> None:
    assert scan(*words) == (found, rest)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-X"], "invalid option -- 'X'"),
        (["-jX"], "invalid option -- 'X'"),
        (["-j-"], "invalid option -- '-'"),
        (["-é"], "invalid option -- 'é'"),
        (["-H"], "option requires an argument -- 'H'"),
        (["-jH"], "option requires an argument -- 'H'"),
        (["--nosuch"], "unrecognized option '--nosuch'"),
        (["--nosuch=1"], "unrecognized option '--nosuch'"),
        (["--hostnames"], "unrecognized option '--hostnames'"),
        (["--hostname"], "option '--hostname' requires an argument"),
        (["--host"], "option '--hostname' requires an argument"),
        (["--jail=1"], "option '--jail' doesn't allow an argument"),
        (["--jail="], "option '--jail' doesn't allow an argument"),
        (["--warn", "1"], "option '--warn' is ambiguous; possibilities: '--warning' '--warning-codes'"),
        (["--e"], "option '--e' is ambiguous; possibilities: '--expect' '--escape'"),
        (["--=x"], "option '--' is ambiguous"),
    ],
)
def test_complaints_are_those_of_getopt(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        scan(*words)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("word", ["--a\nFTP OK - all is well | x=1", "-\n", "-\x1b", "--\udcff", "--jai\x07=1"])
def test_complaints_are_one_printable_line(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        scan(word)
    assert str(caught.value).isprintable()
    assert "|" not in str(caught.value)


def test_an_option_is_taken_as_soon_as_it_stands_before_a_mistake() -> None:
    """`check_ftp -h -X` prints the help, `check_ftp -X -h` the complaint."""
    words = iter(Scan(OPTIONS, ["-j", "-X"]))
    assert next(words) == ("jail", "")
    with pytest.raises(UsageError):
        next(words)


def test_aliases_are_long_names_of_the_same_option() -> None:
    options = (Option("remote-version", "r", "STRING", aliases=("remote-revision",)), Option("jail", "j"))
    for name in ("--remote-version", "--remote-revision", "--remote-r", "--remote", "--re"):
        assert scan(name, "x", options=options) == ([("remote-version", "x")], [])


@pytest.mark.parametrize("name", ["--t", "--ti", "--timeout"])
def test_an_extension_makes_no_abbreviation_ambiguous(name: str) -> None:
    """The C plugin has --timeout, and not --timeout-state: what it understands must go on to be understood."""
    options = (Option("timeout-state", metavar="STATE", extension=True), Option("timeout", "t", "SECONDS"))
    assert scan(name, "3", options=options) == ([("timeout", "3")], [])
    assert scan("--timeout-", "ok", options=options) == ([("timeout-state", "ok")], [])


def test_extensions_can_be_ambiguous_among_themselves() -> None:
    with pytest.raises(UsageError, match="option '--p' is ambiguous; possibilities: '--phases' '--proxy'"):
        scan("--p", options=(Option("phases", extension=True), Option("proxy", extension=True)))


def test_letterless_options_have_no_letter() -> None:
    with pytest.raises(UsageError, match="invalid option -- 's'"):
        scan("-s", "x")


def test_a_leading_word_is_taken_once() -> None:
    scanned = Scan(OPTIONS, ["host", "-j", "other"])
    assert scanned.leading_word() == "host"
    assert scanned.leading_word() is None
    assert (list(scanned), scanned.rest) == ([("jail", "")], ["other"])


@pytest.mark.parametrize("words", [[], ["-j", "host"]])
def test_without_a_leading_word_nothing_is_taken(words: list[str]) -> None:
    scanned = Scan(OPTIONS, words)
    assert scanned.leading_word() is None
    assert scanned.is_empty is not bool(words)


def test_an_empty_word_is_a_word() -> None:
    assert not Scan(OPTIONS, [""]).is_empty
    assert Scan(OPTIONS, [""]).leading_word() == ""


SHORT = "".join(option.letter + (":" if option.metavar else "") for option in OPTIONS)
LONG = [option.name + ("=" if option.metavar else "") for option in OPTIONS]
NAMES = {f"-{option.letter}": option.name for option in OPTIONS if option.letter} | {
    f"--{option.name}": option.name for option in OPTIONS
}
likely_words = st.one_of(
    st.sampled_from(["-", "--", "", "a", "-H", "-j", "--host", "--jail", "--sn", "--warn", "--e", "--=", "--ssl="]),
    st.text(alphabet="-HjvewWS=aé ", max_size=5),
    st.sampled_from([option.name for option in OPTIONS]).flatmap(
        lambda name: st.builds(
            lambda size, value: f"--{name[:size]}{value}", st.integers(1, 20), st.sampled_from(["", "=", "=v"])
        )
    ),
    st.text(max_size=4),
).filter(lambda word: word not in ("-to", "-wt", "-ct"))


@given(st.lists(likely_words, max_size=6))
def test_words_are_taken_apart_as_pythons_getopt_does(words: list[str]) -> None:
    try:
        pairs, rest = getopt.getopt(words, SHORT, LONG)
    except getopt.GetoptError:
        with pytest.raises(UsageError):
            scan(*words)
        return
    assert scan(*words) == ([(NAMES[name], value) for name, value in pairs], rest)


@given(st.lists(likely_words, max_size=6), st.integers(0, len(OPTIONS)))
def test_a_table_in_two_parts_reads_the_same(words: list[str], length: int) -> None:
    def outcome(scanned: Scan) -> object:
        try:
            return list(scanned), scanned.rest
        except UsageError as error:
            return str(error)

    assert outcome(Scan(OPTIONS[:length], words, lambda: OPTIONS[length:])) == outcome(Scan(OPTIONS, words))


@pytest.mark.parametrize("words", [("-H", "a"), ("--hostname=a", "-j"), ("-jHa", "-x"), ("a", "-X")])
def test_further_options_are_left_alone_while_no_word_needs_them(words: tuple[str, ...]) -> None:
    def more() -> tuple[Option, ...]:
        raise AssertionError("the table is complete")

    scanned = Scan((*OPTIONS, Option("extra", "x")), words, more)
    list(scanned)
    assert not scanned.took_more


def test_thousands_of_options_are_read() -> None:
    found, rest = scan(*["-jv", "-e", "x"] * 5000, "end")
    assert len(found) == 15000
    assert rest == ["end"]

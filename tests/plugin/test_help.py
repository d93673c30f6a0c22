"""Tests of noidchecks.plugin.help."""

from __future__ import annotations

import pytest

from noidchecks import __version__
from noidchecks.plugin.getopt import Option, Scan
from noidchecks.plugin.help import help_text, usage_text, version_text
from noidchecks.plugin.plugin import PLUGINS, Plugin, plugin_of

TABLE = (
    Option("jail", "j", help="Print nothing"),
    Option("sni", metavar="NAME", help="Send this name", aliases=("server-name",)),
    Option("expect", "e", "STRING", "Expect this", repeatable=True),
    Option("a-rather-long-name-of-an-option", "x", "VALUE", "Do it"),
)


def build(scan: Scan) -> object:
    raise NotImplementedError


PLUGIN = Plugin("check_x", blurb="Tests x.", usage="check_x -j", rows=TABLE, build=build)  # type: ignore[arg-type]  # never built


def test_version() -> None:
    assert version_text(PLUGIN) == f"check_x v{__version__} (noidchecks {__version__})"


def test_usage() -> None:
    assert usage_text(PLUGIN) == "Usage:\ncheck_x -j"


def test_usage_names_rows_behind_the_plugins_own_words() -> None:
    plugin = Plugin("check_x", blurb="", usage="check_x <host>", in_usage=lambda _: True, rows=TABLE * 3, build=build)  # type: ignore[arg-type]  # never built
    head, own, *lines = usage_text(plugin).splitlines()
    assert (head, own) == ("Usage:", "check_x <host>")
    assert lines[0].startswith("[-j] [--sni <name>] [-e <string>]... [-x <value>] [-j] ")
    assert " ".join(lines).count("[-e <string>]...") == 3
    assert all(len(line) <= 100 for line in lines)


def test_help_has_version_blurb_usage_and_a_row_for_each_option() -> None:
    version, blurb, usage, options = help_text(PLUGIN).split("\n\n")
    assert (version, blurb, usage) == (version_text(PLUGIN), "Tests x.", usage_text(PLUGIN))
    assert options.splitlines() == [
        "Options:",
        " -j, --jail                          Print nothing",
        " --sni=NAME                          Send this name, also --server-name",
        " -e, --expect=STRING                 Expect this (repeatable)",
        " -x, --a-rather-long-name-of-an-option=VALUE",
        "                                     Do it",
    ]


@pytest.mark.parametrize("name", PLUGINS)
def test_every_option_of_a_plugin_is_explained_once(name: str) -> None:
    plugin = plugin_of(name)
    names = [known for option in plugin.options for known in (option.name, *option.aliases)]
    letters = [option.letter for option in plugin.options if option.letter]
    assert len(set(names)) == len(names)
    assert len(set(letters)) == len(letters)
    assert all(option.help and not option.help.endswith(".") for option in plugin.options)
    lines = help_text(plugin).splitlines()
    assert all(len(line) <= 160 and line.isprintable() for line in lines)
    assert all(any(line.startswith(f" {option}") for line in lines) for option in plugin.options)


def test_the_usage_of_check_ftp_begins_as_that_of_the_c_plugin() -> None:
    assert usage_text(plugin_of("check_ftp")).startswith(
        "Usage:\n"
        "check_ftp -H host -p port [-w <warning time>] [-c <critical time>] [-s <send string>]\n"
        "[-e <expect string>] [-q <quit string>][-m <maximum bytes>] [-d <delay>]\n"
        "[-t <timeout seconds>] [-r <refuse state>] [-M <mismatch state>] [-v] [-4] [-6] [-j]\n"
        "[-D <warn days cert expire>[,<crit days cert expire>]] [-S <use SSL>] [-E]\n"
    )

"""The completion files are those of the option tables, and bash completes by them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from docs.completion import generate, values
from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS, parse, plugin_of
from tests.support.docs_blocks import ROOT

SHARE = ROOT / "packaging" / "share"
FILES = generate.files()
# What else the command line needs for the option to be read.
NEEDED = {"data-protection": ["--starttls", "--data", "passive"], "foreign-pasv": ["--data", "passive"]}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_its_source_says(name: str) -> None:
    assert (SHARE / name).read_text(encoding="utf-8") == FILES[name], "run `make docs`"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_takes_each_word_that_is_offered(name: str) -> None:
    for option in plugin_of(name).options:
        for word in values.words_of(option):
            host = [] if name == "check_ssh" else ["-H", "127.0.0.1"]
            last = ["127.0.0.1"] if name == "check_ssh" else []
            login = ["--user", "monitor", "--password-env", "PATH"] if name == "check_sftp" else []
            parse([name, *host, *login, *NEEDED.get(option.name, ()), f"--{option.name}", word, *last])


@pytest.mark.parametrize("name", PLUGINS)
def test_words_are_known_for_each_option_that_takes_few(name: str) -> None:
    for option in plugin_of(name).options:
        if option.metavar in ("STATE", "MODE", "LEVEL", "FORMAT"):
            assert values.words_of(option), option.name
            with pytest.raises(UsageError):
                parse([name, "-H", "127.0.0.1", f"--{option.name}", "no-such-word", "127.0.0.1"])


def bash(name: str, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = (
        'compopt() { return 0; }; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        '"_noidchecks_$1"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    file = str(SHARE / "bash-completion" / "completions" / name)
    found = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", file, name, *words], capture_output=True, text=True, timeout=60
    )
    assert found.stderr == ""
    return found.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["check_ftp", "--pass"], ["--password-file", "--password-env"]),
        (["check_ftp", "--data", ""], ["passive", "active", "both"]),
        (["check_ftp", "--data", "=", "pa"], ["passive"]),
        (["check_ftp", "--data", "="], ["passive", "active", "both"]),
        (["check_ftp", "-r", "w"], ["warn"]),
        (["check_ftp", "--port", ""], []),
        (["check_ftp", "--get", ""], []),
        (["check_ssh", "--timeout-state", "c"], ["critical"]),
        (["check_tftp", "--mode", "o"], ["octet"]),
    ],
)
def test_bash_completes_options_and_their_words(words: list[str], offered: list[str]) -> None:
    assert bash(*words) == offered


def test_bash_completes_files_where_the_file_is_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    assert bash("check_ftp", "--password-file", f"{tmp_path}/sec") == [f"{tmp_path}/secret"]

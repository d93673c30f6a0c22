"""A new protocol is a new folder and its name in one list; `make docs` writes the rest.

The checkout is copied, tests/support/toy becomes `noidchecks/toy` in the copy, and pip installs the copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noidchecks import __version__
from tests.support.peers import Peer, unused_port
from tests.support.waiting import LONG

ROOT = Path(__file__).parents[1]
# The name in the list.
BEFORE = "PLUGINS = {\n"
NAME = '    "check_toy": "noidchecks.toy.options",\n'
IGNORED = shutil.ignore_patterns("__pycache__", ".cache")


class Installation:
    """An installed copy of the checkout that knows the new protocol."""

    def __init__(self, tree: Path, prefix: Path) -> None:
        self.tree = tree
        self.bin = prefix / "bin"
        self.share = prefix / "share"
        (self.packages,) = prefix.glob("lib/python*/site-packages")

    def run(self, *words: str | Path, code: int = 0) -> str:
        """Runs a program of the installation and returns its standard output."""
        done = run(*words, packages=self.packages)
        assert done.returncode == code, done
        return done.stdout

    def python(self, program: str, *words: str) -> str:
        return self.run(sys.executable, "-c", program, *words)


def run(*words: str | Path, packages: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(packages), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment, cwd=cwd, timeout=10 * LONG
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    tree = tmp_path_factory.mktemp("tree")
    prefix = tmp_path_factory.mktemp("prefix")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("noidchecks", "nagios", "lb", "docs", "packaging"):
        shutil.copytree(ROOT / name, tree / name, ignore=IGNORED)
    # One folder, one name.
    shutil.copytree(ROOT / "tests" / "support" / "toy", tree / "noidchecks" / "toy", ignore=IGNORED)
    table = tree / "noidchecks" / "plugin" / "plugin.py"
    text = table.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    table.write_text(text.replace(BEFORE, BEFORE + NAME), encoding="utf-8")
    pip = ("-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
    # --ignore-installed, or pip would remove the package under test.
    # What `make docs` runs, and what `make install` does.
    for words in (
        ("docs/generate.py",),
        ("nagios/generate.py",),
        ("-m", "docs.man.generate"),
        ("-m", "docs.completion.generate"),
        (*pip, "--disable-pip-version-check", "--ignore-installed", "--prefix", str(prefix), "."),
    ):
        done = run(sys.executable, *words, packages=tree, cwd=tree)
        assert done.returncode == 0, done
    return Installation(tree, prefix)


def test_the_executable_runs(house: Installation) -> None:
    shown = house.run(house.bin / "check_toy", "--help", code=3)
    assert shown.startswith(f"check_toy v{__version__} ")
    assert "--name=NAME" in shown
    refused = house.run(house.bin / "check_toy", code=3)
    assert refused.startswith("check_toy: No host given\nUsage:\ncheck_toy -H <host>")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_executable_checks_a_server(house: Installation, host: str) -> None:
    with Peer(b"TOY/1 box\r\n", host=host) as peer:
        words = ("-H", host, "-p", str(peer.port))
        assert house.run(house.bin / "check_toy", *words).startswith("TOY OK - box|time=")
        assert house.run(house.bin / "check_toy", *words, "--name", "bag", code=2).startswith("TOY CRITICAL - box|")
        assert "TOY/1 box" in house.run(house.bin / "check_toy", *words, "-v").partition("\n")[2]
    gone = house.run(house.bin / "check_toy", "-H", host, "-p", str(unused_port()), code=2)
    assert gone.startswith("TOY CRITICAL - connect to address ")


def test_a_survey_takes_a_line_with_it(house: Installation, tmp_path: Path) -> None:
    with Peer(b"TOY/1 box\r\n") as peer:
        targets = tmp_path / "targets"
        targets.write_text(f"web1\ttoy\tcheck_toy -H {peer.host} -p {peer.port}\n")
        shown = house.run(house.bin / "noidchecks", "survey", targets)
    assert shown.startswith("web1\ttoy\t0\tTOY OK - box|time="), shown


def test_it_stands_in_the_definitions(house: Installation) -> None:
    folder = Path(house.run(house.bin / "noidchecks", "definitions").strip())
    icinga = (folder / "icinga2" / "noidchecks-plugins.conf").read_text()
    assert 'object CheckCommand "toy" {' in icinga
    assert 'value = "$toy_name$"' in icinga
    assert "command_line  $USER5$/check_toy -H '$HOSTADDRESS$' $ARG1$\n" in (folder / "commands.cfg").read_text()
    page = (house.tree / "docs" / "check_toy.md").read_text()
    assert "| `--name` | `NAME` |" in page
    assert r"\-\-name" in (house.share / "man" / "man1" / "check_toy.1").read_text()
    # Between other options: a comment has --name=value.
    assert " --name " in (house.share / "bash-completion" / "completions" / "check_toy").read_text()
    assert "--name" in (house.share / "zsh" / "site-functions" / "_check_toy").read_text()
    assert "-l name " in (house.share / "fish" / "vendor_completions.d" / "check_toy.fish").read_text()


def test_it_is_linked_for_a_monitoring_server(house: Installation, tmp_path: Path) -> None:
    # 1: what pytest makes is closed to other users, and the command says so.
    house.run(house.bin / "noidchecks", "install-plugins", tmp_path, code=1)
    assert (tmp_path / "check_toy").resolve() == house.bin / "check_toy"


@pytest.mark.parametrize(
    "call",
    ["check(probe)", "asyncio.run(check_async(probe))", "next(survey([probe]))[1]", "check(parse_line(line).probe)"],
)
def test_the_library_checks_with_it(house: Installation, call: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from noidchecks import check, check_async, parse_line, survey\n"
        "from noidchecks.toy.probe import ToyProbe\n"
        "probe = ToyProbe('127.0.0.1', port=int(sys.argv[1]))\n"
        "line = f'check_toy -H 127.0.0.1 -p {sys.argv[1]}'\n"
        f"print({call})\n"
    )
    with Peer(b"TOY/1 box\r\n") as peer:
        assert house.python(program, str(peer.port)).startswith("TOY OK - box|time=")


def test_the_guardian_runs_it_in_its_own_process(house: Installation) -> None:
    program = "from noidlb.guardian.checks import Check\nprint(Check(['check_toy', '-H', 'HOST'], 1).is_ours)\n"
    assert house.python(program) == "True\n"

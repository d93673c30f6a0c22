"""The demonstration of farms and guardian, as far as it can be shown without namespaces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import noidlb
import pytest
from noidlb.config.load import parse
from noidlb.demo import play, scene, show, stage
from noidlb.demo.cast import Cast

from tests.support.processes import environment, processes
from tests.support.waiting import until

ROOT = Path(noidlb.__file__).parents[1]
COMMAND = [sys.executable, "-c", "from noidlb.cli.main import main; main()", "demo", "--loopback"]
PATIENCE = 90


def test_on_loopback_all_is_as_expected_and_nothing_is_left(tmp_path: Path) -> None:
    answer = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE, env=environment(tmp_path))
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    assert answer.stdout.startswith("On loopback alone, without VIP and clients: loopback was asked for.\n")
    assert "5 scenes and 0 transfers in " in answer.stdout
    assert " seconds, all as expected.\n" in answer.stdout
    assert "table inet noidlb {" in answer.stdout
    assert processes(tmp_path) == set()
    assert list(tmp_path.iterdir()) == []


def test_killed_it_leaves_no_server_behind(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        until(lambda: len(processes(tmp_path)) >= 4, PATIENCE)
        process.kill()
    until(lambda: not processes(tmp_path), PATIENCE)


def test_its_farms_are_valid() -> None:
    farms = parse(scene.farms()).farms
    assert [farm.name for farm in farms] == ["ftp", "tftp", "sftp"]
    assert all(farm.guardian is not None for farm in farms)


def test_without_its_servers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_REQUIRED", ("pyftpdlib", "no_such_server"))
    with pytest.raises(click.UsageError, match=r"no_such_server.*pip install 'noidchecks\[demo\]'"):
        show.run(lambda line: None)


def test_without_nft_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_PROGRAMS", (("no-such-program", "no-such-package"),))
    assert stage.obstacle() == "the program no-such-program is missing: install the package no-such-package"


def test_where_namespaces_are_refused_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_PROGRAMS", ())
    monkeypatch.setattr(stage, "_enter", lambda: ["/bin/sh", "-c", "echo no, not here >&2; exit 1"])
    assert stage.obstacle() == "namespaces of its own are refused here: no, not here"


def test_the_half_dead_backend_fails_for_its_data_ports_and_is_not_restarted(tmp_path: Path) -> None:
    (tmp_path / "b2").mkdir()
    theatre = SimpleNamespace(hosts=scene.HOSTS, cast=Cast(tmp_path, lambda _, words: words, lambda _: "127.0.0.1"))
    half, healed = play.acts(theatre)[-2:]
    half.happens()
    assert scene.half_dead(tmp_path / "b2").exists()
    assert (half.because, half.down) == ("data", frozenset({("ftp", "b2")}))
    healed.happens()
    assert not scene.half_dead(tmp_path / "b2").exists()


@pytest.mark.parametrize("height", [3, 50])
def test_the_table_is_redrawn_in_its_place_where_it_fits(
    height: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINES", str(height))
    monkeypatch.setenv("COLUMNS", "80")
    play._redraw(["one", "two", "three"])
    # To the beginning of the first line, two above; where it would scroll, nothing is drawn.
    assert capsys.readouterr().out == ("\x1b[Jone\ntwo\nthree\x1b[2F" if height == 50 else "")

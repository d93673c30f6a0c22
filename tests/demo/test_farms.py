"""The demonstration of farms and guardian, as far as it can be shown without namespaces."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from noidlb.config.load import parse

from integration.demo import __main__ as launcher, script
from integration.demo.backends import BackendProcess, farms
from tests.support.processes import environment, processes
from tests.support.waiting import until

COMMAND = [sys.executable, "-P", "-m", "integration.demo", "--loopback"]
PATIENCE = 240


def backends(folder: Path) -> list[BackendProcess]:
    places = []
    for number in (1, 2, 3):
        files = folder / f"b{number}" / "files"
        files.mkdir(parents=True)
        places.append(
            SimpleNamespace(
                name=f"b{number}",
                files=files,
                entered=nullcontext,
                address=f"10.20.{number}.{{}}".format,
            )
        )
    return [BackendProcess(place, folder / "key") for place in places]


def test_on_loopback_all_is_as_expected_and_nothing_is_left(tmp_path: Path) -> None:
    answer = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE, env=environment(tmp_path))
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    assert answer.stdout.startswith("On loopback alone, without VIP and clients: loopback was asked for.\n")
    assert "5 scenes and 0 transfers in " in answer.stdout
    assert " seconds, all as expected.\n" in answer.stdout
    assert "table inet noidlb {" in answer.stdout
    until(lambda: not processes(tmp_path), PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_killed_it_leaves_no_server_behind(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        until(lambda: len(processes(tmp_path)) >= 4, PATIENCE)
        process.kill()
    until(lambda: not processes(tmp_path), PATIENCE)


def test_its_farms_are_valid(tmp_path: Path) -> None:
    found = parse(farms(backends(tmp_path))).farms
    assert [farm.name for farm in found] == ["ftp", "tftp", "sftp"]
    assert all(farm.guardian is not None for farm in found)


def test_without_nft_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_PROGRAMS", {"no-such-program": "no-such-package"})
    assert launcher.obstacle() == "the program no-such-program is missing: install the package no-such-package"


def test_where_namespaces_are_refused_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_PROGRAMS", {})
    monkeypatch.setattr(launcher, "inside", lambda: ["/bin/sh", "-c", "echo no, not here >&2; exit 1"])
    assert launcher.obstacle() == "namespaces of its own are refused here: no, not here"


def test_the_half_dead_backend_fails_for_its_data_ports_and_is_not_restarted(tmp_path: Path) -> None:
    shown = backends(tmp_path)
    half, healed = script.steps(shown)[-2:]
    half.happens()
    assert shown[1].half_dead.exists()
    assert (half.because, half.down) == ("data", frozenset({("ftp", "b2")}))
    healed.happens()
    assert not shown[1].half_dead.exists()


@pytest.mark.parametrize("height", [3, 50])
def test_the_table_is_redrawn_in_its_place_where_it_fits(
    height: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINES", str(height))
    monkeypatch.setenv("COLUMNS", "80")
    script._redraw(["one", "two", "three"])
    # To the beginning of the first line, two above; where it would scroll, nothing is drawn.
    assert capsys.readouterr().out == ("\x1b[Jone\ntwo\nthree\x1b[2F" if height == 50 else "")

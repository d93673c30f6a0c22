"""Signals to a survey that runs: an end, a reload, and what comes while it starts."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from noidchecks.surveys.runner import Sources, SurveyRunner
from noidchecks.surveys.targets import Target
from tests.support.peers import Peer
from tests.support.survey_command import EARLY_HANGUP, ENVIRONMENT, PATIENCE, line, running, survey, wait_for
from tests.support.waiting import LONG, until


def test_sigterm_ends_it_with_everything_handed_in(listed: Path) -> None:
    with running(listed, "--every", "1h") as (process, folder):
        wait_for(folder / "said", "20 checked")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert (folder / "results").read_text().count("\n") == 20
        assert "lines: 20 handed in" in (folder / "said").read_text()


def test_it_tells_the_service_manager_when_it_takes_signals(listed: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(LONG)
        program = "from noidchecks.cli import main; main()"
        words = [sys.executable, "-c", program, "survey", str(listed), "--every", "1h"]
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": str(tmp_path / "manager")}
        nowhere = subprocess.DEVNULL
        with subprocess.Popen(words, stdout=nowhere, stderr=nowhere, env=environment) as process:
            assert manager.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"


def test_a_survey_that_was_ended_in_the_middle_of_its_only_round_warns(tmp_path: Path, peer: Peer) -> None:
    with Peer() as mute:
        (tmp_path / "t").write_text(line("h1", peer) + line("h2", mute, "-t", "60"))
        with running(tmp_path / "t") as (process, folder):
            wait_for(folder / "results", "h1\t")
            until(lambda: mute.connected, PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 1
            assert "lines: 1 handed in" in (folder / "said").read_text()


def test_a_survey_whose_concurrency_is_used_up_hears_sigterm(tmp_path: Path, peer: Peer) -> None:
    with Peer() as mute:
        (tmp_path / "t").write_text(line("h1", peer) + line("h2", mute, "-t", "3600") + line("h3", peer))
        with running(tmp_path / "t", "--concurrency", "1", "--every", "2h") as (process, folder):
            until(lambda: mute.connected, PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert "lines: 1 handed in" in (folder / "said").read_text()


def started(sources: Sources, say: Callable[[str], None]) -> SurveyRunner:
    """Returns a survey without reports that begins a round every 10 ms."""
    return SurveyRunner(
        sources,
        [],
        over=0,
        every=0.01,
        concurrency=10,
        keep=1,
        patience=0,
        spool="",
        say=say,
        progress=lambda *_: None,
    )


def test_a_signal_says_nothing_while_something_is_said(
    tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard error takes no second line from a signal's handler while the first one is being written."""
    said: list[str] = []
    under_way: list[str] = []

    def say(words: str) -> None:
        assert not under_way
        under_way.append(words)
        if len(said) < 3:
            signal.raise_signal(signal.SIGHUP)
        else:
            signal.raise_signal(signal.SIGTERM)
        said.append(under_way.pop())

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line("h", peer).encode())))
    runner = started(Sources(["-"]), say)
    runner.run()
    assert "standard input cannot be read again; the targets stay as they were" in said


def test_sighup_reads_the_targets_anew_and_a_broken_file_changes_nothing(listed: Path, peer: Peer) -> None:
    with running(listed, "--every", "200ms") as (process, folder):
        wait_for(folder / "said", "20 checked")
        listed.write_text(line("new", peer))
        process.send_signal(signal.SIGHUP)
        wait_for(folder / "said", "noidchecks: 1 checked")
        wait_for(folder / "results", "new\t")
        listed.unlink()
        process.send_signal(signal.SIGHUP)
        wait_for(folder / "said", "the targets stay as they were")
        seen = (folder / "said").read_text().count("noidchecks: 1 checked")
        wait_for(folder / "said", "noidchecks: 1 checked", seen + 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_a_reload_holds_no_check_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many targets take seconds to read: the deadline of a check would pass though its server has answered."""
    checked: list[str] = []
    ends = time.monotonic() + LONG

    def steps(sources: Sources) -> Generator[float, None, tuple[list[Target], list[str]]]:
        while not checked:
            assert time.monotonic() < ends
            yield 0.0
        return [], []

    def say(words: str) -> None:
        if "1 skipped" in words:
            signal.raise_signal(signal.SIGHUP)
        elif "1 checked" in words:
            checked.append(words)
            signal.raise_signal(signal.SIGTERM)

    with Peer(0.2, b"220 late\r\n") as late:
        (tmp_path / "t").write_text(line("late", late, "-t", "3600"))
        runner = started(Sources([str(tmp_path / "t")]), say)
        monkeypatch.setattr(Sources, "steps", steps)
        runner.run()
    assert len(checked) == 1


def test_a_sighup_while_it_starts_is_kept_for_the_first_round(tmp_path: Path, peer: Peer) -> None:
    (tmp_path / "t").write_text("nonsense\n" + line("h1", peer))
    with running(tmp_path / "t", "--every", "1h", before=EARLY_HANGUP) as (process, folder):
        wait_for(folder / "said", "1 checked")
        # Read at the start, and again because of the signal.
        assert (folder / "said").read_text().count("must be host, service") == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1


def test_a_sighup_while_it_starts_does_not_hide_what_is_wrong(tmp_path: Path) -> None:
    with running(tmp_path / "none", "--every", "1h", before=EARLY_HANGUP) as (process, folder):
        assert process.wait(PATIENCE) == 3
        assert "Cannot read" in (folder / "results").read_text()


def test_a_command_that_fails_leaves_no_signal_blocked(tmp_path: Path) -> None:
    assert survey(tmp_path / "none", "--every", "1h") == 3
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_standard_input_cannot_be_read_again(listed: Path, tmp_path: Path) -> None:
    with running(tmp_path / "x", "--every", "200ms") as (process, _):
        assert process.wait(PATIENCE) == 3
    words = [sys.executable, "-c", "from noidchecks.cli import main; main()", "survey", "-", "--every", "100ms"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(listed.read_text())
        process.stdin.close()
        assert "20 checked" in process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        while "cannot be read again" not in (said := process.stderr.readline()):
            assert said
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(PATIENCE) == 0

"""`noidchecks survey` from the targets to the reports, as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noidchecks.surveys.runner import Sources
from noidchecks.surveys.targets import Shard
from tests.support.nagios_reader import spool_results
from tests.support.peers import Peer
from tests.support.survey_command import ENVIRONMENT, PATIENCE, line, running, survey, wait_for
from tests.support.waiting import until


def test_every_target_is_checked_and_handed_in(listed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    code = survey(listed, "--report", "json", "--report", f"nagios-spool={spool}", "--over", "0.1s")
    said = capfd.readouterr()
    assert code == 0
    hosts = {f"h{number}" for number in range(20)}
    assert {json.loads(row)["host"] for row in said.out.splitlines()} == hosts
    results = [found for path in spool.glob("c??????") for found in spool_results(path.read_bytes())]
    assert {found["host_name"] for found in results} == hosts
    assert len(results) == 20
    assert "noidchecks: 20 checked in " in said.err
    assert "s: 20 OK\n" in said.err
    assert "noidchecks: json: 20 handed in\n" in said.err


def test_the_state_of_the_targets_is_not_that_of_the_survey(
    tmp_path: Path, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t").write_text(line("h1", peer, "-e", "530"))
    assert survey(tmp_path / "t") == 0
    assert capfd.readouterr().out.startswith("h1\tftp\t1\tFTP WARNING")


def test_a_line_that_is_not_understood_is_a_warning(
    listed: Path, tmp_path: Path, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t").write_text("nonsense\n" + line("x", peer, "-p", "0"))
    assert survey(listed, tmp_path / "t") == 1
    said = capfd.readouterr()
    assert said.out.count("\n") == 21
    assert "x\tftp\t3\tUNKNOWN - Port must be a positive integer" in said.out
    assert f"noidchecks: {tmp_path}/t:1: must be host, service and command line, separated by tabs\n" in said.err


def test_shards_share_the_targets(listed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found: list[str] = []
    for shard in ("1/3", "2/3", "3/3"):
        assert survey(listed, "--shard", shard) == 0
        found += [row.partition("\t")[0] for row in capfd.readouterr().out.splitlines()]
    assert sorted(found) == sorted(f"h{number}" for number in range(20))


def test_targets_are_read_without_a_pause(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    found, _ = Sources([str(listed)], shard=Shard(1, 1)).read()
    assert (len(found), pauses) == (20, [])


def test_objects_of_nagios(tmp_path: Path, peer: Peer, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "objects.cache").write_text(
        "define command {\n\tcommand_name\tf\n"
        f"\tcommand_line\t$USER1$/check_ftp -H $HOSTADDRESS$ -p {peer.port}\n\t}}\n"
        f"define host {{\n\thost_name\tweb\n\taddress\t{peer.host}\n\t}}\n"
        "define service {\n\thost_name\tweb\n\tservice_description\tFTP\n\tcheck_command\tf\n\t}\n"
    )
    (tmp_path / "resource.cfg").write_text("$USER1$=/opt\n")
    arguments = ("--nagios-objects", tmp_path / "objects.cache", "--nagios-resource", tmp_path / "resource.cfg")
    assert survey(*arguments) == 0
    assert capfd.readouterr().out.startswith("web\tFTP\t0\tFTP OK")


def test_what_is_not_handed_in_is_critical_and_comes_with_the_next_survey(
    listed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spool, kept = tmp_path / "spool", tmp_path / "kept"
    kept.mkdir()
    arguments = (listed, "--report", f"nagios-spool={spool}", "--spool-dir", kept, "--patience", "50ms")
    assert survey(*arguments) == 2
    assert f"noidchecks: nagios-spool={spool}: 0 handed in, 20 not handed in\n" in capfd.readouterr().err
    spool.mkdir()
    assert survey(*arguments[:-2]) == 0
    assert f"noidchecks: nagios-spool={spool}: 40 handed in\n" in capfd.readouterr().err
    assert list(kept.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "survey needs targets"),
        (("/nonexistent",), "Cannot read /nonexistent: No such file or directory"),
        (("-", "--every", "x"), "must be like 30s or 5m"),
        (("-", "--every", "5s", "--over", "10s"), "--over must not be longer than --every"),
        (("-", "--shard", "3/2"), "Shard must be"),
        (("-", "--report", "x"), "Report must be one of"),
        (("-", "--keep", "0"), "must be at least 1"),
        (("-", "--spool-dir", "/nonexistent"), "--spool-dir must be a folder"),
        (("-", "--report", "icinga2=https://u:secret@x"), "needs --icinga-credentials"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert survey(*arguments) == 3
    said = capsys.readouterr()
    assert words in said.out
    assert said.out.count("\n") == 1
    assert "secret" not in said.out


def test_nothing_to_check_is_unknown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t").write_text("# none yet\n")
    assert survey(tmp_path / "t") == 3
    assert "there was nothing to check" in capfd.readouterr().err


def test_an_endless_survey_says_at_once_that_there_is_nothing_to_check(listed: Path, tmp_path: Path) -> None:
    full = listed.read_text()
    listed.write_text("# none yet\n")
    with running(listed, "--every", "100ms") as (process, folder):
        wait_for(folder / "said", "there is nothing to check")
        listed.write_text(full)
        process.send_signal(signal.SIGHUP)
        wait_for(folder / "said", "20 checked")
        listed.write_text("")
        process.send_signal(signal.SIGHUP)
        wait_for(folder / "said", "there is nothing to check", 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 3
        assert (folder / "said").read_text().count("nothing to check") == 3


@pytest.mark.parametrize("every", [(), ("--every", "2h")])
def test_a_prometheus_file_is_never_replaced_by_a_part_of_it(
    every: tuple[str, ...], listed: Path, tmp_path: Path, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p"
    report = f"prometheus={path}"
    assert survey(listed, "--report", report) == 0
    complete = path.read_text()
    assert complete.count("noidchecks_state{") == 20
    with Peer() as mute:
        (tmp_path / "t").write_text(line("h1", peer) + line("h2", mute, "-t", "3600"))
        with running(tmp_path / "t", "--report", report, "--report", "lines", *every) as (process, folder):
            wait_for(folder / "results", "h1\t")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 2
            assert f"noidchecks: {report}: 0 handed in, 1 not handed in\n" in (folder / "said").read_text()
    assert path.read_text() == complete


def test_what_a_journal_has_replaces_no_prometheus_file(
    tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery queue begins with it at once, and the report must know by then which services there are."""
    kept, path = tmp_path / "kept", tmp_path / "none" / "p"
    kept.mkdir()
    (tmp_path / "t").write_text(line("h1", peer) + line("h2", peer))
    arguments = ("--report", f"prometheus={path}", "--spool-dir", kept, "--patience", "1ms")
    assert survey(tmp_path / "t", *arguments) == 2
    path.parent.mkdir()
    path.write_text("complete\n")
    written: list[bytes] = []
    monkeypatch.setattr(
        "noidchecks.surveys.report.prometheus.write_atomic", lambda _path, data, **_: written.append(data)
    )
    assert survey(tmp_path / "t", *arguments[:-2]) == 0
    assert all(data.count(b"noidchecks_state{") == 2 for data in written), written


def test_a_target_whose_check_still_runs_is_skipped(tmp_path: Path, peer: Peer) -> None:
    """Its result would come behind that of the newer check."""
    with Peer() as mute:
        (tmp_path / "t").write_text(line("quick", peer) + line("slow", mute, "-t", "3600"))
        with running(tmp_path / "t", "--every", "100ms") as (process, folder):
            wait_for(folder / "said", "1 checked in")
            wait_for(folder / "said", "1 OK; 1 skipped, whose last check still ran", 3)
            assert len(mute.clients) == 1
            assert (folder / "results").read_text().count("quick\t") > 2
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


def test_a_skipped_target_is_checked_again_when_its_check_has_ended(tmp_path: Path) -> None:
    with Peer() as mute:
        (tmp_path / "t").write_text(line("slow", mute, "-t", "1"))
        with running(tmp_path / "t", "--every", "300ms") as (_, folder):
            wait_for(folder / "said", "0 checked in 0.0 s: none; 1 skipped")
            wait_for(folder / "results", "slow\t", 3)
            assert mute.most == 1


def test_the_command_takes_all_descriptors_that_it_may_have(tmp_path: Path) -> None:
    few = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (90, r.getrlimit(r.RLIMIT_NOFILE)[1]))"
    with Peer() as mute:
        (tmp_path / "t").write_text("".join(line(f"h{number}", mute, "-t", "3600") for number in range(40)))
        with running(tmp_path / "t", before=few):
            until(lambda: mute.connected == 40, PATIENCE)


def seen_on_a_terminal(*arguments: object, stdout_too: bool) -> str:
    """Runs a survey with a terminal as its standard error."""
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "noidchecks", "survey", *map(str, arguments)]
    out = theirs if stdout_too else subprocess.DEVNULL
    with subprocess.Popen(words, stderr=theirs, stdout=out, env={**ENVIRONMENT, "TERM": "xterm"}) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                # The end of a terminal.
                break
        process.wait(PATIENCE)
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize("reports", [[], ["--report", "json"], ["--report", "prometheus={folder}/p"]])
@pytest.mark.parametrize("stdout_too", [False, True])
def test_a_bar_is_shown_whenever_standard_error_is_a_terminal(
    reports: list[str], stdout_too: bool, listed: Path, tmp_path: Path
) -> None:
    words = [word.format(folder=tmp_path) for word in reports]
    shown = seen_on_a_terminal(listed, "--over", "200ms", *words, stdout_too=stdout_too)
    assert "Checking" in shown
    assert "100%" in shown
    assert "20 checked in" in shown
    # Each line of a result begins where the bar was wiped off, or behind another line.
    rows = [row.rstrip("\r") for row in shown.split("\n") if "\tftp\t" in row or '"service"' in row]
    assert len(rows) == (20 if stdout_too and "prometheus" not in str(reports) else 0)
    assert all(row.rpartition("\r")[2].rpartition("\x1b[K")[2].startswith(("h", "{")) for row in rows)


def test_the_command_is_there_as_a_module() -> None:
    words = [sys.executable, "-m", "noidchecks", "--version"]
    assert subprocess.run(words, capture_output=True, check=True, env=ENVIRONMENT).stdout.startswith(b"noidchecks ")


def test_a_closed_standard_input_is_told() -> None:
    words = ["sh", "-c", '"$0" -m noidchecks survey - <&-', sys.executable]
    done = subprocess.run(words, capture_output=True, check=False, env=ENVIRONMENT, text=True)
    assert (done.returncode, done.stdout) == (3, "noidchecks: Cannot read standard input: it is closed\n")


@pytest.mark.parametrize("report", ["lines", "json", "prometheus"])
def test_a_closed_standard_output_gets_no_results(report: str, listed: Path, tmp_path: Path, peer: Peer) -> None:
    """The first connection would have its number."""
    option = f"prometheus={tmp_path}/p" if report == "prometheus" else report
    words = ["sh", "-c", 'exec "$0" -m noidchecks survey "$1" --report "$2" <&- >&-', sys.executable]
    done = subprocess.run(
        [*words, str(listed), option], stderr=subprocess.PIPE, check=False, env=ENVIRONMENT, text=True
    )
    if report == "prometheus":
        assert done.returncode == 0
        assert all(b"noidchecks" not in client.received for client in peer.clients)
    else:
        assert (done.returncode, done.stderr) == (
            3,
            f"noidchecks: Report {report} needs standard output, which is closed\n",
        )


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", ""], ids=["full", "closed", "nobody reads"])
def test_what_standard_error_does_not_take_costs_no_result(listed: Path, where: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = ["sh", "-c", f'exec "$0" -m noidchecks survey "$1" {where}', sys.executable, str(listed)]
    # Buffered, as it is for an operator: what is left in the buffer is written again when the interpreter ends.
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=writing, check=False, env=environment, text=True)
    os.close(writing)
    assert done.returncode == 0, done.stdout
    assert {row.partition("\t")[0] for row in done.stdout.splitlines()} == {f"h{number}" for number in range(20)}

"""The demonstration shows what it says, leaves nothing behind and fails when a plugin does."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noidchecks.demo import scenario, show
from noidchecks.demo.server_process import ServerFailed, ServerProcess
from noidchecks.errors import UsageError
from noidchecks.status.state import State
from tests.support.processes import environment, processes
from tests.support.waiting import until

COMMAND = [sys.executable, "-c", "from noidchecks.cli import main; main()", "demo"]
PATIENCE = 120


def test_every_check_is_as_expected_and_nothing_is_left(tmp_path: Path) -> None:
    answer = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE, env=environment(tmp_path))
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    assert answer.stdout.splitlines()[-1].endswith(" seconds, all as expected.")
    for name in ("check_ftp", "check_tftp", "check_ssh"):
        assert f"$ {name} " in answer.stdout
    until(lambda: not processes(tmp_path), PATIENCE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("# ")
        process.send_signal(number)
        said = process.stdout.read()
        assert process.wait(PATIENCE) == 3
    assert said.endswith("noidchecks: interrupted\n")
    until(lambda: not processes(tmp_path), PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_killed_it_leaves_no_server_behind(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("# ")
        assert len(processes(tmp_path)) > 1
        process.kill()
    until(lambda: not processes(tmp_path), PATIENCE)


def test_without_its_servers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_REQUIRED", ("pyftpdlib", "no_such_server"))
    with pytest.raises(UsageError, match=r"no_such_server.*pip install 'noidchecks\[demo\]'"):
        show.run(lambda line: None)


def test_an_unexpected_state_is_told_and_fails_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def wrong() -> Iterator[tuple[scenario.Step, ...]]:
        yield (scenario.Step("a socket that is not there", ("check_ftp", "-H", "/no/such/socket"), State.OK),)

    monkeypatch.setattr(scenario, "servers", wrong)
    lines: list[str] = []
    assert show.run(lines.append) == State.CRITICAL
    assert lines[-2] == "exit code 2 (CRITICAL), expected 0 (OK)\n"
    assert lines[-1].startswith("1 checks in ")
    assert lines[-1].endswith(" seconds, 1 not as expected.")


def test_a_server_that_does_not_start_is_told() -> None:
    with ServerProcess("no_such_server") as server, pytest.raises(ServerFailed, match="no_such_server"):
        _ = server.port

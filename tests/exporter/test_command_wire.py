"""The command `noidchecks exporter` before it serves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from noidchecks.cli import _endpoint, commands
from noidchecks.errors import UsageError
from tests.exporter.serving import exporter
from tests.support.waiting import LONG


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [("127.0.0.1:9769", ("127.0.0.1", 9769)), ("[::1]:0", ("::1", 0)), (":9769", ("", 9769)), ("lo:1", ("lo", 1))],
)
def test_addresses_to_listen_on(text: str, endpoint: tuple[str, int]) -> None:
    assert _endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["", "9769", "::1:9769", "[::1]", "a:", "a:x", "a:65536", "a:-1", "[a]:1"])
def test_what_is_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(UsageError, match="--listen must be ADDRESS:PORT"):
        _endpoint(text)


def test_without_its_libraries_it_says_how_to_get_them() -> None:
    script = "import sys; sys.modules['aiohttp'] = None; from noidchecks.cli import main; main(['exporter'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    said = "noidchecks: The exporter needs aiohttp: pip install 'noidchecks[exporter]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, said, "")


def test_only_a_look_at_the_files(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_text('[modules]\nx = "check_ftp"\n')
    outcome = CliRunner().invoke(commands, ["exporter", "--check", "--modules", str(path)])
    assert (outcome.exit_code, outcome.output) == (0, "6 modules are in order\n")
    path.write_text('[modules]\nx = "check_http"\n')
    outcome = CliRunner().invoke(commands, ["exporter", "--check", "--modules", str(path)])
    assert isinstance(outcome.exception, UsageError)


def test_an_address_that_is_not_there_yet_is_no_wrong_usage() -> None:
    """The unit starts it again, which after wrong usage would be in vain."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = CliRunner().invoke(commands, ["exporter", "--listen", place], standalone_mode=False)
    assert outcome.return_value == 2
    assert outcome.output == f"noidchecks: Cannot listen on {place}: Address already in use\n"


@pytest.mark.parametrize("first", ["127.0.0.1", "0.0.0.0", ""])
def test_an_address_that_is_listened_on_twice_is_taken(first: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["exporter", "--listen", f"{first}:{port}", "--listen", f"127.0.0.1:{port}"]
    outcome = CliRunner().invoke(commands, words, standalone_mode=False)
    assert outcome.return_value == 2
    assert outcome.output == f"noidchecks: Cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_it_tells_the_service_manager_when_it_serves(tmp_path: Path) -> None:
    """So a reload right behind a restart waits until there is somebody to reload."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(LONG)
        program = "from noidchecks.cli import main; main()"
        words = [sys.executable, "-P", "-c", program, "exporter", "--listen", "127.0.0.1:0"]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "manager")}
        with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment) as process:
            assert manager.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
        assert process.returncode == 0


def test_a_sighup_while_it_starts_is_kept_until_it_can_reload() -> None:
    """By default it ends a process, and systemd starts none again that ended so."""
    script = (
        "import os, signal, noidchecks.descriptors as d; "
        "d.raise_limit = lambda: os.kill(os.getpid(), signal.SIGHUP); "
        "from noidchecks.cli import main; main(['exporter', '--listen', '127.0.0.1:0'])"
    )
    words = [sys.executable, "-P", "-c", script]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = {process.stderr.readline(), process.stderr.readline()}
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == 0
    assert "noidchecks: read 5 modules\n" in said


@pytest.mark.parametrize("arguments", [["--listen", "x"], ["--check"]])
def test_the_command_leaves_no_signal_blocked(arguments: list[str]) -> None:
    CliRunner().invoke(commands, ["exporter", *arguments])
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(("host", "is_warned"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("", True)])
async def test_an_exporter_that_everybody_can_reach_is_pointed_out(host: str, is_warned: bool) -> None:
    async with exporter(listen=((host, 0),)) as running:
        assert any("see --web-config" in line for line in running.said) == is_warned

"""The executables as a monitoring server runs them: as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noidchecks import __version__
from noidchecks.plugin.plugin import PLUGINS
from tests.support.peers import Peer, unused_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
FTP = (sys.executable, str(ROOT / "nagios" / "plugins" / "check_ftp"))
SHELL = ("sh", "-c")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(*words: str | bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment(), "timeout": 30} | options
    return subprocess.run(words, check=False, **options)  # type: ignore[call-overload,no-any-return]  # a table of any options


def against(peer: Peer, *more: str | bytes) -> tuple[str | bytes, ...]:
    return (*FTP, "-H", peer.host, "-p", str(peer.port), *more)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer(b"220 ready\r\n") as peer:
        yield peer


def test_words_are_read_as_utf_8_in_any_locale() -> None:
    """ASCII stands for those such as ISO-8859-1, which a machine of tests need not have."""
    old = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    words = (*FTP, "--verify", "--ca-file", "/nonexistent/Grüße", "-H", "ftp.example")
    done = run(*words, env=old)
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.startswith("check_ftp: Cannot read CA file /nonexistent/Grüße: No such file".encode())
    # The last of the flags counts, and the plugin does not begin again for ever.
    assert run(words[0], "-X", "utf8=0", *words[1:], env=old).returncode == 3


@pytest.mark.parametrize("name", PLUGINS)
def test_an_executable_is_a_few_lines_that_name_the_plugin(name: str) -> None:
    """Not pip's wrapper, which imports re; `#!python` is what the installer replaces."""
    path = ROOT / "nagios" / "plugins" / name
    lines = [line for line in path.read_text().splitlines() if line and not line.lstrip().startswith("# ")]
    assert lines[:5] == ["#!python", "import gc", "gc.disable()", "try:", "    from noidchecks.plugin.main import main"]
    assert lines[-1] == f'main("{name}")'
    assert len(lines) == 9
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", PLUGINS)
def test_an_executable_whose_python_has_no_noidchecks_is_unknown(name: str) -> None:
    """As after an upgrade of Python; -S takes the installed packages away, as a new release without them does."""
    done = run(sys.executable, "-I", "-S", str(ROOT / "nagios" / "plugins" / name))
    service = name.removeprefix("check_").upper()
    text = f"{service} UNKNOWN - noidchecks cannot be imported: No module named 'noidchecks'\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, text.encode(), b"")


def test_every_plugin_has_an_executable_and_nothing_else_is_installed_as_one() -> None:
    assert sorted(path.name for path in (ROOT / "nagios" / "plugins").iterdir()) == sorted(PLUGINS), "run `make docs`"


@pytest.mark.parametrize("name", PLUGINS)
def test_an_executable_prints_its_version(name: str) -> None:
    done = run(sys.executable, str(ROOT / "nagios" / "plugins" / name), "-V")
    text = f"{name} v{__version__} (noidchecks {__version__})\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, text.encode(), b"")


@pytest.mark.parametrize(
    ("banner", "code", "start"),
    [
        (b"220 ready\r\n", 0, b"FTP OK - "),
        (b"530 too many\r\n", 1, b"FTP WARNING - Unexpected response from host/socket: 530 too many|time="),
        (b"\x00\x1b[2J\xff|x=1\r\nFTP OK - injected\r\n", 1, b"FTP WARNING - Unexpected response from host/socket: "),
    ],
)
def test_a_check_is_one_line_and_its_exit_code(banner: bytes, code: int, start: bytes) -> None:
    with Peer(banner) as peer:
        done = run(*against(peer))
    assert (done.returncode, done.stderr) == (code, b"")
    assert done.stdout.startswith(start)
    assert done.stdout.endswith(b"\n")
    line = done.stdout[:-1].decode("ascii")
    assert line.isprintable()
    assert line.count("|") == 1


def test_a_refused_connection_is_critical() -> None:
    port = unused_port()
    done = run(*FTP, "-H", "127.0.0.1", "-p", str(port))
    assert (done.returncode, done.stderr) == (2, b"")
    text = f"connect to address 127.0.0.1 and port {port}: Connection refused|time="
    assert done.stdout.decode().startswith(text)


def test_a_usage_error_is_unknown_and_on_standard_output() -> None:
    done = run(*FTP, "-H", "127.0.0.1", "--nosuch")
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.startswith(b"check_ftp: unrecognized option '--nosuch'\nUsage:\ncheck_ftp -H host")


def test_closed_standard_output_does_not_become_the_connection(peer: Peer) -> None:
    done = run(*SHELL, 'exec "$0" "$@" >&-', *against(peer))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    peer.settle()
    assert peer.received == [b"QUIT\r\n"]


def test_closed_standard_descriptors_do_not_become_the_connection(peer: Peer) -> None:
    done = run(*SHELL, 'exec "$0" "$@" <&- >&- 2>&-', *against(peer))
    assert done.returncode == 0
    peer.settle()
    assert peer.received == [b"QUIT\r\n"]


def test_closed_standard_input_and_error_change_nothing(peer: Peer) -> None:
    done = run(*SHELL, 'exec "$0" "$@" <&- 2>&-', *against(peer))
    assert done.returncode == 0
    assert done.stdout.startswith(b"FTP OK - ")
    peer.settle()
    assert peer.received == [b"QUIT\r\n"]


def test_a_full_disk_leaves_the_exit_code(peer: Peer) -> None:
    with open("/dev/full", "wb") as full:
        done = run(*against(peer), stdout=full)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_has_gone_leaves_the_exit_code(peer: Peer) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(*against(peer), stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_interrupt_is_unknown() -> None:
    with (
        Peer() as peer,
        subprocess.Popen(against(peer), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process,
    ):
        until(lambda: peer.connected)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (3, b"FTP UNKNOWN - interrupted\n", b"")


@pytest.mark.parametrize(
    ("defect", "text"),
    [
        ("ValueError('a\\nb|x=1')", "FTP UNKNOWN - internal error: ValueError: a b x=1\n"),
        ("SystemExit(0)", "FTP UNKNOWN - internal error: SystemExit: 0\n"),
        ("KeyError()", "FTP UNKNOWN - internal error: KeyError: \n"),
        ("MemoryError()", "FTP UNKNOWN - internal error: MemoryError: \n"),
    ],
)
@pytest.mark.parametrize("method", ["dialogue", "judge"])
def test_a_defect_of_a_probe_is_unknown(defect: str, text: str, method: str, peer: Peer) -> None:
    program = f"""
import sys
from noidchecks.ftp.probe import FtpProbe
from noidchecks.plugin.main import main
def broken(*_):
    raise {defect}
FtpProbe.{method} = broken
sys.argv = ["check_ftp", "-H", "127.0.0.1", "-p", "{peer.port}"]
main("check_ftp")
"""
    done = run(sys.executable, "-c", program)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, text, b"")


def test_an_unknown_plugin_is_unknown() -> None:
    done = run(sys.executable, "-c", "from noidchecks.plugin.main import main; main('check_http')")
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.startswith(b"HTTP UNKNOWN - internal error: UsageError: not one of check_ftp, ")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_words_that_are_no_text_are_printed_escaped(locale: str) -> None:
    done = run(*FTP, "-H", b"\xff\xfe.example", env=environment(LC_ALL=locale))
    assert (done.returncode, done.stderr) == (2, b"")
    assert done.stdout.startswith(b"FTP CRITICAL - Invalid hostname, address or socket: \\udcff\\udcfe.example|time=")
    done = run(*FTP, b"--\xc3\xa9\xff", env=environment(LC_ALL=locale))
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.startswith(b"check_ftp: unrecognized option '--")


def test_words_that_are_no_text_are_sent_as_they_are(peer: Peer) -> None:
    done = run(*against(peer, "-s", b"\xff\xfe"), env=environment(LC_ALL="C"))
    assert done.returncode == 0
    peer.settle()
    assert peer.received == [b"\xff\xfeQUIT\r\n"]


def test_an_empty_word_is_a_host_that_does_not_exist() -> None:
    done = run(*FTP, "")
    assert (done.returncode, done.stderr) == (2, b"")
    assert done.stdout.startswith(b"FTP CRITICAL - Invalid hostname, address or socket: |time=")


def test_thousands_of_options_are_no_trouble(peer: Peer) -> None:
    done = run(*against(peer, *["-v", "-e", "ready"] * 2000))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"FTP OK - ")


def test_a_timeout_of_many_years_is_no_trouble(peer: Peer) -> None:
    done = run(*against(peer, "-t", "2147483647"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b";0.000000;2147483647.000000\n")


def test_options_are_read_from_standard_input(peer: Peer) -> None:
    words = (*FTP, "--extra-opts=here@-")
    config = f"[here]\nhostname={peer.host}\nport={peer.port}\nsend=\xff\n".encode("latin-1")
    done = run(*words, input=config)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"FTP OK - ")
    peer.settle()
    assert peer.received == [b"\xffQUIT\r\n"]


def test_options_from_closed_standard_input_are_a_usage_error() -> None:
    done = run(*SHELL, 'exec "$0" "$@" <&-', *FTP, "--extra-opts=here@-")
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.startswith(b"Invalid section 'here' in config file '-'\n")

"""The administrative command ends with 0..3 and speaks on standard output, whatever it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noidchecks import __version__, cli
from noidchecks.cli import main
from noidchecks.demo import show

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, int)
    return int(end.value.code)


@pytest.mark.parametrize("arguments", [("nosuch",), ("--nosuch",), ("demo", "--nosuch"), ("demo", "word")])
def test_a_usage_error_is_one_line_and_unknown(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(*arguments) == 3
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("noidchecks: ")
    assert said.out.count("\n") == 1


def test_without_a_command_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 3
    said = capsys.readouterr()
    assert said.out.startswith("Usage: noidchecks ")
    assert said.err == ""


@pytest.mark.parametrize(("argument", "words"), [("--help", "Usage: noidchecks "), ("-V", f"noidchecks {__version__}")])
def test_help_and_version_are_no_errors(argument: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(argument) == 0
    assert capsys.readouterr().out.startswith(words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), "noidchecks: interrupted\n"),
        (RuntimeError("two\nlines"), "noidchecks: internal error: RuntimeError: two lines\n"),
    ],
)
def test_whatever_happens_it_is_one_line_and_unknown(
    error: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(say: object) -> None:
        raise error

    monkeypatch.setattr(show, "run", fail)
    assert _run("demo") == 3
    assert capsys.readouterr().out.lstrip("\n") == words


@pytest.mark.parametrize("command", ["noidchecks.cli", "noidlb.cli.main"])
def test_closed_standard_descriptors_do_not_become_connections(command: str) -> None:
    script = (
        f"import os, {command} as command; "
        "command._outcome = lambda _: sum(os.path.samefile(f'/proc/self/fd/{n}', os.devnull) for n in range(3)); "
        "command.main([])"
    )
    words = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, script]
    assert subprocess.run(words, env=ENVIRONMENT, check=False).returncode == 3


@pytest.mark.parametrize(
    ("command", "words", "code"),
    [("noidchecks", "definitions", 3), ("noidchecks", "--version", 3), ("noidlb", "show FILE", 2)],
)
def test_what_a_closed_output_does_not_take_is_no_success(command: str, words: str, code: int, tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_text(
        '[farms.f]\nprotocol = "ftp"\nvip = "192.0.2.1"\nbackends = [{ name = "b", address = "10.0.0.1" }]\n'
    )
    module = {"noidchecks": "noidchecks.cli", "noidlb": "noidlb.cli.main"}[command]
    script = f"from {module} import main; main()"
    line = f'exec "$0" -P -c "{script}" {words.replace("FILE", str(file))} <&- >&-'
    done = subprocess.run(["sh", "-c", line, sys.executable], stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    sentence = f"{command}: standard output cannot be written: Bad file descriptor\n"
    assert (done.returncode, done.stderr.decode()) == (code, sentence)


def test_without_standard_output_a_sentence_is_on_standard_error() -> None:
    words = ["sh", "-c", 'exec "$0" -m noidchecks nosuch <&- >&-', sys.executable]
    done = subprocess.run(words, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (3, b"noidchecks: No such command 'nosuch'.\n")


def test_a_character_that_the_terminal_lacks_is_a_question_mark() -> None:
    words = [sys.executable, "-m", "noidchecks", "survey", "b\u2026"]
    done = subprocess.run(words, env={**ENVIRONMENT, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False)
    said = (done.returncode, done.stdout, done.stderr)
    assert said == (3, b"noidchecks: Cannot read b?: No such file or directory\n", b"")


def test_it_ends_quietly_when_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run(
        [sys.executable, "-c", "from noidchecks.cli import main; main()", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (3, b"")


@pytest.mark.parametrize("argument", ["--help", "nosuch"])
def test_what_a_full_disk_does_not_take_is_unknown_and_a_sentence(argument: str) -> None:
    command = [sys.executable, "-P", "-m", "noidchecks", argument]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ended.returncode == 3
    assert ended.stderr == "noidchecks: standard output cannot be written: No space left on device\n"

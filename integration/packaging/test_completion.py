"""bash, zsh and fish complete options, states, farms and backends from the files that are installed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARE = Path(sysconfig.get_path("data")) / "share"
PROGRAMS = Path(sys.executable).parent
FARMS = """\
[farms.public-ftp]
backends = [{ name = "first" }, { name = "second" }]
[farms.inner]
"""
READY = "ready-for-keys"
# A command is not run: it writes down what the shell has made of the keys.
_STAND_INS = """\
check_ftp() { printf "%s\\n" "$*" >>"$SAID"; }
noidlb() { printf "%s\\n" "$*" >>"$SAID"; }
PS1="$READY"
"""
SHELLS = {
    "bash": (
        ["bash", "--noprofile", "--rcfile", "RC", "-i"],
        f"BASH_COMPLETION_USER_DIR={SHARE}/bash-completion\n. /usr/share/bash-completion/bash_completion\n{_STAND_INS}",
    ),
    "zsh": (
        ["zsh", "-d", "-i"],
        f"fpath=({SHARE}/zsh/site-functions $fpath)\nautoload -U compinit && compinit -u -D\n{_STAND_INS}",
    ),
}
# Keys, of which a TAB is one, and the words of the command that come of them.
TYPED = {
    "check_ftp --password-f\tHOME/sec\t-t 5": "--password-file HOME/secret -t 5",
    "check_ftp --data pas\t": "--data passive",
    "check_ftp --starttls --timeout-state w\t": "--starttls --timeout-state warning",
    "noidlb drain pub\tsec\t": "drain public-ftp second",
    "noidlb statu\tinn\t": "status inner",
    "noidlb up --cu\tinner fir\t": "up --cut inner fir",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which a state folder of the test's own has farms."""
    (tmp_path / "farms.toml").write_text(FARMS)
    (tmp_path / "secret").touch()
    own = {"NOIDLB_STATE": str(tmp_path), "SAID": str(tmp_path / "said"), "HOME": str(tmp_path), "READY": READY}
    return {**os.environ, **own, "ZDOTDIR": str(tmp_path), "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "TERM": "dumb"}


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """The other side of the terminal in which a shell waits for keys."""
    words, script = SHELLS[request.param]
    (tmp_path / ".zshrc").write_text(script)
    ours, theirs = pty.openpty()
    argv = [word.replace("RC", str(tmp_path / ".zshrc")) for word in words]
    shell = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    try:
        heard(ours, READY)
        yield ours
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


def heard(terminal: int, text: str = "", *, until: float = 60.0) -> str:
    """Reads what the shell prints until the text has come."""
    end, found = time.monotonic() + until, ""
    while not text or text not in found:
        if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
            pytest.fail(f"the shell did not say {text!r}, but {found!r}")
        found += os.read(terminal, 65536).decode(errors="replace")
    return found


def test_a_shell_completes_as_keys_are_typed(terminal: int, tmp_path: Path) -> None:
    for keys, words in TYPED.items():
        os.write(terminal, keys.replace("HOME", str(tmp_path)).encode() + b"\r")
        said = heard(terminal, READY)
        lines = (tmp_path / "said").read_text().splitlines() if (tmp_path / "said").exists() else []
        assert lines[-1:], said
        # zsh puts a sign of equality behind an option that takes a value.
        assert lines[-1].replace("=", " ") == words.replace("HOME", str(tmp_path)), said


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("check_ftp --password-", {"--password-file", "--password-env"}),
        ("check_ftp --data ", {"passive", "active", "both"}),
        ("check_ftp --refuse=", {"--refuse=ok", "--refuse=warn", "--refuse=crit"}),
        ("noidlb drain ", {"public-ftp", "inner"}),
        ("noidlb drain public-ftp ", {"first", "second"}),
        ("noidchecks sur", {"survey"}),
    ],
)
def test_fish_offers_the_same(line: str, offered: set[str], environment: dict[str, str]) -> None:
    script = f"set -p fish_complete_path {SHARE}/fish/vendor_completions.d; complete -C '{line}'"
    found = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, timeout=120, env=environment)
    assert {word.partition("\t")[0] for word in found.stdout.splitlines()} == offered, found.stderr


def test_a_broken_farms_file_completes_nothing_and_says_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "farms.toml").write_text("[farms")
    script = f"set -p fish_complete_path {SHARE}/fish/vendor_completions.d; complete -C 'noidlb drain '"
    found = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, timeout=120, env=environment)
    assert (found.stdout, found.stderr) == ("", "")

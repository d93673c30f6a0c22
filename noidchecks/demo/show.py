"""Runs the demonstration: each check is run as by a monitoring server, shown and compared with the expected state."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from ..errors import UsageError
from ..status.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Step

_PATIENCE = 10
# The modules that the servers import in addition to the dependencies of noidchecks.
_REQUIRED = ("pyftpdlib", "OpenSSL", "tftpy")


def run(say: Callable[[str], object]) -> State:
    """Prints the checks line by line with say(); returns OK when every check had its expected state.

    Raises UsageError when a library of the servers is not installed.
    """
    began = time.monotonic()
    _require_servers()
    from .scenario import servers
    from .server_process import ServerFailed

    wrong = 0
    try:
        with servers() as steps:
            for step in steps:
                wrong += not _show(step, say)
    except ServerFailed as failure:
        say(f"The demonstration is over: {failure}.")
        return State.UNKNOWN
    seconds = time.monotonic() - began
    say(f"{len(steps)} checks in {seconds:.1f} seconds, {f'{wrong} not' if wrong else 'all'} as expected.")
    return State.CRITICAL if wrong else State.OK


def _require_servers() -> None:
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"The demonstration needs servers that are not installed ({', '.join(missing)}): "
            "pip install 'noidchecks[demo]'"
        )


def _show(step: Step, say: Callable[[str], object]) -> bool:
    say(f"# {step.title}")
    say(f"$ {shlex.join(step.words)}")
    try:
        answer = subprocess.run(
            _command(step.words), capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        say(f"no answer within {_PATIENCE} seconds, expected {int(step.expected)} ({step.expected})\n")
        return False
    say((answer.stdout + answer.stderr).rstrip())
    as_expected = answer.returncode == step.expected
    verdict = "as expected" if as_expected else f"expected {int(step.expected)} ({step.expected})"
    name = State(answer.returncode) if 0 <= answer.returncode <= 3 else "no plugin state"
    say(f"exit code {answer.returncode} ({name}), {verdict}\n")
    return as_expected


def _command(words: tuple[str, ...]) -> list[str]:
    program = Path(sysconfig.get_path("scripts"), words[0])
    if program.is_file():
        return [str(program), *words[1:]]
    # A checkout without installed executables.
    return [sys.executable, "-c", f"from noidchecks.plugin.main import main; main({words[0]!r})", *words[1:]]

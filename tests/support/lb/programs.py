"""Programs that are played: they answer what they are told to, and write down what they are given."""

from __future__ import annotations

import sys
from ast import literal_eval
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# -S -E: starts in a few milliseconds, and finds nothing of ours. Nor does it import json: what it reads and writes are
# values as Python writes them.
_SCRIPT = f"""\
#!{sys.executable} -SE
import os, sys
here, name = os.path.split(os.path.realpath(sys.argv[0]))
folder = here + "/" + name + ".d/"
arguments = sys.argv[1:]
calls = folder + "calls"
def note(given):
    with open(calls, "a") as file:
        print(ascii([arguments, given, os.environ.get("LC_ALL"), os.environ.get("HOME")]), file=file)
def answer():
    with open(folder + "answers") as file:
        answers = eval(file.read())
    for pattern in answers:
        if all(word in arguments for word in pattern["when"]) and pattern["left"]:
            pattern["left"] -= 1
            with open(folder + "answers", "w") as file:
                file.write(ascii(answers))
            return pattern
    return {{"code": 0, "out": "", "err": "", "sleep": 0}}
if arguments == ["-i"]:
    for line in sys.stdin:
        if line == "describe iifname\\n":
            print("meta expression, datatype ifname (network interface name)", flush=True)
            continue
        note(line)
        found = answer()
        if found["sleep"]:
            import time
            time.sleep(found["sleep"])
        if found["code"]:
            sys.exit(found["code"])
        sys.stderr.write(found["err"])
        sys.stderr.flush()
    sys.exit(0)
note(sys.stdin.read())
found = answer()
if found["sleep"]:
    import time
    time.sleep(found["sleep"])
sys.stdout.write(found["out"])
sys.stderr.write(found["err"])
sys.exit(found["code"])
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a program, or one line that was given to nft -i."""

    arguments: list[str]
    given: str
    language: str | None
    home: str | None


class Played:
    """A program that plays what `answer` tells it; otherwise it succeeds and says nothing."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / f"{name}.d"
        self._folder.mkdir()
        self._answers: list[dict[str, Any]] = []
        self._write()
        program = folder / name
        program.write_text(_SCRIPT)
        program.chmod(0o755)

    def answer(
        self, *when: str, out: str = "", err: str = "", code: int = 0, sleep: float = 0, times: int = 1000
    ) -> None:
        """Answers so to the next runs whose arguments hold these words; later calls come after earlier ones."""
        self._answers.append({"when": when, "out": out, "err": err, "code": code, "sleep": sleep, "left": times})
        self._write()

    @property
    def calls(self) -> list[Call]:
        """All runs, in their order."""
        path = self._folder / "calls"
        return [Call(*literal_eval(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def _write(self) -> None:
        (self._folder / "answers").write_text(ascii(self._answers))

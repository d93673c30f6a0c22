"""Running a program: an argv list, a deadline, bounded output, and one sentence when it cannot be run."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO

# Not on the path of ordinary users, who may ask too.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_CHUNK = 1 << 18
# What nft prints of 5,000 farms is 10 MB.
_LIMIT = 1 << 28
_ERRORS = 1 << 16


class KernelError(RuntimeError):
    """Trouble with the kernel, with a program that speaks to it, or with our right to do so: one sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program left: its exit code, its output, and the beginning of what it complained about."""

    code: int
    output: bytes
    errors: str


def find(name: str, package: str) -> str:
    """Returns the path of a program; KernelError naming its Debian package when there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}")
    if found is None:
        raise KernelError(f"the program {name} is missing: install the package {package}")
    return found


def environment() -> dict[str, str]:
    """Returns our environment in the language in which messages are understood here.

    There is no home in it: nft -i would write all that it was told to a history there.
    """
    return {**os.environ, "LC_ALL": "C", "HOME": os.devnull}


def run(
    argv: Sequence[str], text: str = "", *, timeout: float, each: Callable[[bytes], object] | None = None
) -> Answer:
    """Runs a program with the text on its standard input; each, where given, gets the output piece by piece.

    KernelError when it cannot be started, takes longer than timeout seconds or prints without end.
    """
    name = os.path.basename(argv[0])
    pieces: list[bytes] = []
    # Files rather than pipes for all but the output: nobody has to read and write at the same time.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(text.encode())
        given.seek(0)
        out, taken = os.pipe()
        with open(out, "rb", buffering=0) as output:
            try:
                process = subprocess.Popen(  # noqa: S603 - a list of words, the first a path that find() returned
                    argv, stdin=given, stdout=taken, stderr=errors, env=environment()
                )
            except OSError as error:
                raise KernelError(f"{argv[0]} cannot be run: {error.strerror}") from error
            finally:
                os.close(taken)
            try:
                _wait(process, output, each or pieces.append, time.monotonic() + timeout, name)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
        errors.seek(0)
        return Answer(process.returncode, b"".join(pieces), errors.read(_ERRORS).decode(errors="replace"))


def _wait(
    process: subprocess.Popen[bytes], output: FileIO, each: Callable[[bytes], object], deadline: float, name: str
) -> None:
    total = 0
    poll = select.poll()
    poll.register(output, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        piece = os.read(output.fileno(), _CHUNK)
        if not piece:
            break
        total += len(piece)
        if total > _LIMIT:
            raise KernelError(f"{name} printed more than {_LIMIT >> 20} MiB")
        each(piece)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise KernelError(f"{name} did not answer in time") from None

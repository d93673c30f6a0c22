"""Runs a program from an argv list with a deadline and bounded output; says in one sentence why it cannot."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom

from ..errors import LbError
from .progress import LOOK, Progress

# Appended to PATH: ordinary users lack these folders in theirs, and may run `noidlb check` too.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_CHUNK = 1 << 18
# Bytes; nft's listing of 5,000 farms is 10 MB.
LIMIT = 1 << 28
_ERRORS = 1 << 16
# Bytes of error output after which a program is ended, so that it cannot fill the memory.
_MOST_ERRORS = 1 << 24


class KernelError(LbError, RuntimeError):
    """nft or conntrack has failed, is missing, or lacks a permission."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Exit code, output, and the first 64 KiB of the error output."""

    code: int
    output: bytes
    errors: str


def find(name: str, package: str) -> str:
    """Returns the path of a program; raises KernelError, which names the Debian package, when it is missing."""
    # Not shutil.which(): shutil imports three compression libraries, which takes as long as a change of the kernel.
    for folder in filter(None, f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}".split(":")):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise KernelError(f"the program {name} is missing: install the package {package}")


def environment() -> dict[str, str]:
    """Returns the environment with English messages and HOME=/dev/null, where nft -i cannot write its history."""
    return {**os.environ, "LC_ALL": "C", "HOME": os.devnull}


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a program and its children at once; it must lead a process group of its own."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def told(path: str) -> Iterator[None]:
    """Raises KernelError in place of an OSError: the program cannot be run, or no descriptor is left for it."""
    try:
        yield
    except OSError as error:
        raise KernelError(f"{path} cannot be run: {error.strerror or error}") from error


def run(
    argv: Sequence[str],
    text: str = "",
    *,
    timeout: float,
    at_work: bool = False,
    limit: int = LIMIT,
    each: Callable[[bytes], object] | None = None,
) -> Answer:
    """Runs a program with text on its standard input; each, where given, receives the output piece by piece.

    Raises KernelError when the program cannot be started, takes longer than timeout seconds or prints more than limit
    bytes; what each receives is not kept, and not limited. With at_work, timeout is the seconds without processor time
    instead (progress.py).
    """
    name = os.path.basename(argv[0])
    pieces: list[bytes] = []
    # Input and errors are files, though in memory, so that a full pipe of one cannot block the other.
    with told(argv[0]), _memory("input") as given, _memory("errors") as errors:
        given.write(text.encode())
        given.seek(0)
        process = subprocess.Popen(  # noqa: S603 - an argv list whose program is a path from find()
            argv, stdin=given, stdout=subprocess.PIPE, stderr=errors, bufsize=0, env=environment(), process_group=0
        )
        progress = Progress(process.pid, argv[0], idle=timeout) if at_work else None
        deadline = float("inf") if at_work else time.monotonic() + timeout

        def look() -> None:
            if os.fstat(errors.fileno()).st_size > _MOST_ERRORS:
                raise KernelError(f"{name} complains without end")
            if time.monotonic() >= deadline:
                raise KernelError(f"{name} did not answer in time")
            if progress is not None and (trouble := progress.trouble()):
                raise KernelError(f"{name} {trouble}")

        # The end of the block closes the pipe.
        with process:
            try:
                every = progress.look if progress else LOOK
                _follow(process, each or pieces.append, None if each else limit, name, look, every, deadline)
            finally:
                end(process)
        errors.seek(0)
        return Answer(process.returncode, b"".join(pieces), errors.read(_ERRORS).decode(errors="replace"))


def _memory(name: str) -> BufferedRandom:
    return open(os.memfd_create(name), "w+b")


def _follow(
    process: subprocess.Popen[bytes],
    each: Callable[[bytes], object],
    limit: int | None,
    name: str,
    look: Callable[[], None],
    every: float,
    deadline: float,
) -> None:
    """Reads the output and waits for the end; calls look() at this interval, which raises to give the program up."""
    total = 0
    looked = time.monotonic()
    poll = select.poll()
    output = process.stdout.fileno()  # type: ignore[union-attr]  # it is a pipe
    poll.register(output, select.POLLIN)
    while True:
        ready = poll.poll(max(0.0, min(every, deadline - time.monotonic())) * 1000)
        if not ready or time.monotonic() - looked >= every:
            look()
            looked = time.monotonic()
        if not ready:
            continue
        piece = os.read(output, _CHUNK)
        if not piece:
            break
        total += len(piece)
        if limit is not None and total > limit:
            raise KernelError(f"{name} printed more than {limit >> 20} MiB")
        each(piece)
    while True:
        try:
            process.wait(max(0.001, min(LOOK, deadline - time.monotonic())))
            return
        except subprocess.TimeoutExpired:
            look()

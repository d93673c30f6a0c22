"""Stores the results that a survey could not deliver by its end in a file for the next survey."""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import blake2b
from time import monotonic, sleep

from ...atomic import write_atomic
from ...errors import UsageError
from ...regular import open_regular
from ...status.text import printable
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    Say = Callable[[str], None]
    # Host, service, and the time of the result.
    _Identity = tuple[str, str, float]

# The longest line; a record takes a few kilobytes, and the longest output 64.
_LINE_LIMIT = 1 << 20
# The most bytes of kept lines that only another version can read.
_UNKNOWN_LIMIT = 1 << 20
# The seconds to wait for the lock of another survey that stores its results. A process that holds it longer is not a
# survey: in a folder such as /tmp every user can take the lock.
_LOCK_PATIENCE = 1.0


def require_spool_folder(path: str) -> None:
    """Raises UsageError for a path that is not a folder, or a folder in which other users can replace files."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        found = None
    if found is None or not stat.S_ISDIR(found.st_mode) or not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"--spool-dir must be a folder that can be written, not {printable(path)}")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise UsageError(
            f"--spool-dir {printable(path)} can be written by everybody: chmod o-w it, or give another one"
        )


class Journal:
    """The file of one report, a JSON line for each record; only its owner can read it.

    The file is used only if this user has written it, and only valid results of it: the text for the destination is
    generated from them again. A line in the format of another version is never sent; it stays in the file for that
    version, at most 1 MiB of such lines.

    Several surveys may use the same file, for example one that is started by hand during one of a timer. Therefore
    store() replaces only the records that this survey has loaded, and keeps those that others have stored since.
    """

    def __init__(self, folder: str, report: str, say: Say) -> None:
        # A hash, because the name of a report may have slashes.
        digest = blake2b(report.encode(errors="surrogateescape"), digest_size=6).hexdigest()
        self._path = os.path.join(folder, f"{report.partition('=')[0]}-{digest}.jsonl")
        self._folder = folder
        self._say = say
        # The results that this survey has loaded and is responsible for.
        self._loaded: set[_Identity] = set()

    def load(self) -> list[Record]:
        """Returns the stored records, which stay in the file until clear() or store(); reports what is unreadable."""
        try:
            records, _, bad = self._read()
        except OSError as error:
            self._say(f"{printable(self._path)}: is not read: {printable(error.strerror or str(error))}")
            records, bad = [], 0
        if bad:
            self._say(f"{printable(self._path)}: {bad} lines are no results of this version and are not sent")
        self._loaded = set(map(_identity, records))
        return records

    def store(self, records: Sequence[Record]) -> None:
        """Atomically replaces the loaded records by these; reports a file that cannot be written."""
        mine = self._loaded.union(map(_identity, records))
        try:
            with _locked(self._folder):
                found, unknown = self._others()
                kept = [record for record in found if _identity(record) not in mine]
                if kept:
                    kept = sorted([*kept, *records], key=lambda record: record.finished)
                lines = [f"{record.to_json()}\n".encode() for record in kept or records]
                if lines or unknown:
                    write_atomic(self._path, b"".join(unknown + lines), mode=0o600)
                else:
                    self._remove()
        except OSError as error:
            self._say(f"{printable(self._path)}: {len(records)} results are lost: {error.strerror}")

    def clear(self) -> None:
        """Removes the loaded records."""
        self.store(())

    def _others(self) -> tuple[list[Record], list[bytes]]:
        try:
            records, unknown, _ = self._read()
        except OSError:
            # load() has reported the unreadable file, and it is replaced.
            return [], []
        return records, unknown

    def _read(self) -> tuple[list[Record], list[bytes], int]:
        """Returns the records, the lines of other versions, and the number of lines that are no records; OSError."""
        records: list[Record] = []
        unknown: list[bytes] = []
        bad = 0
        try:
            descriptor = self._open()
        except FileNotFoundError:
            return records, unknown, bad
        with open(descriptor, "rb") as file:
            for line in _lines(file):
                try:
                    records.append(Record.from_json(line))
                except ValueError:
                    bad += 1
                    if sum(map(len, unknown)) + len(line) <= _UNKNOWN_LIMIT and _is_named(line):
                        unknown.append(line)
        return records, unknown, bad

    def _remove(self) -> None:
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def _open(self) -> int:
        descriptor = open_regular(self._path, os.O_NOFOLLOW)
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            reason = f"it belongs to user {found.st_uid}"
        elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            reason = "others may write to it"
        elif found.st_nlink != 1:
            reason = "it has several names"
        else:
            return descriptor
        os.close(descriptor)
        raise OSError(0, reason)


def _identity(record: Record) -> _Identity:
    return record.host, record.service, record.finished


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Locks the folder against other surveys that store results; raises OSError when it does not exist."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = monotonic() + _LOCK_PATIENCE
        while not _is_locked(descriptor) and monotonic() < until:
            sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True


def _is_named(line: bytes) -> bool:
    """Tells whether a line is a JSON list that begins with a string, which is the format of all versions."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return line.endswith(b"\n") and isinstance(found, list) and bool(found) and isinstance(found[0], str)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yields the lines of a file, each cut to the longest line of a journal."""
    while line := file.readline(_LINE_LIMIT):
        whole = line.endswith(b"\n")
        yield line
        while not whole and (rest := file.readline(_LINE_LIMIT)):
            whole = rest.endswith(b"\n")

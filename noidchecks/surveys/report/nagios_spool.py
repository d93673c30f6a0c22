"""Delivers results through the spool folder of Nagios, its check_result_path, from which it reads and deletes files.

Nagios reads the files of the folder in the order of readdir(3), which is arbitrary. It may read the older of two files
last, so that its results overwrite the newer ones. Therefore a survey has only one released file at a time; until
Nagios has taken it, the delivery queue keeps later results. When Nagios has not taken the file for a minute, for
example while it is stopped, or when the survey ends, the file is replaced by one that has its results followed by the
new ones. The replacement does not happen earlier, because Nagios may be reading the file, and would process its results
twice.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from secrets import choice
from string import ascii_letters, digits
from typing import NamedTuple

from ...atomic import create
from ...regular import read_regular
from ..destination import Outcome, Report
from .nagios import escaped_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .record import Record

# The bytes of an output that Nagios keeps.
_OUTPUT_LIMIT = 8000
# The seconds after which Nagios is certainly not reading a file; by default it reads the folder every ten seconds.
_PATIENCE = 60.0
# The most bytes that may wait while Nagios does not run: a hundred thousand results or more.
_MOST_BYTES = 100 << 20
# Nagios runs as another user, which must be able to read the files; to delete them it needs write access to the folder.
_MODE = 0o644
# Nagios reads files whose names have exactly seven characters and begin with c. This prefix marks those of surveys.
_PREFIX = "cnoid"
_NAME_LENGTH = 7
_ALPHABET = ascii_letters + digits


class _Waiting(NamedTuple):
    """A released file that Nagios has not taken yet: seconds since 1970, path, bytes."""

    written: float
    path: str
    size: int


class NagiosSpool(Report):
    """Files `cnoidXX` with many results each, released by an empty `cnoidXX.ok` beside them."""

    batch = 10_000
    pause = 0.25

    def __init__(self, folder: str) -> None:
        self._folder = folder
        # The released files that Nagios may not have taken yet; None before the first delivery, which looks for those
        # of earlier surveys.
        self._released: list[str] | None = None

    def pack(self, record: Record) -> bytes:
        """Returns the block of one result."""
        head = (
            f"host_name={record.host}\nservice_description={record.service}\n"
            "check_type=1\ncheck_options=0\nscheduled_check=0\nreschedule_check=0\nlatency=0.000000\n"
            f"start_time={record.started:.6f}\nfinish_time={record.finished:.6f}\n"
            f"early_timeout=0\nexited_ok=1\nreturn_code={int(record.state)}\noutput="
        )
        return head.encode() + escaped_output(record, _OUTPUT_LIMIT) + b"\n\n"

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Writes one file and releases it when it is complete; raises OSError after removing an incomplete file.

        While an earlier file is waiting, all records are left in the queue.
        """
        while True:
            waiting = self._waiting()
            if waiting and not self.is_last and 0 <= time.time() - waiting[-1].written < _PATIENCE:
                return Outcome(records)
            if sum(one.size for one in waiting) > _MOST_BYTES:
                return Outcome(records, f"more than {_MOST_BYTES >> 20} MiB wait in {self._folder}")
            paths = [one.path for one in waiting]
            draft = self._write(map(_results, paths), records)
            if _release(draft, paths):
                self._released = [draft]
                return Outcome()

    def _waiting(self) -> list[_Waiting]:
        """Returns the released files that Nagios has not taken, the oldest first."""
        if self._released is None:
            names = [name for name in os.listdir(self._folder) if name.startswith(_PREFIX)]
            self._released = [os.path.join(self._folder, name) for name in names if len(name) == _NAME_LENGTH]
        found = []
        for path in self._released:
            try:
                os.stat(_ok(path))
                file = os.stat(path)
            except FileNotFoundError:
                # Nagios has taken the file: it deletes the file before the .ok file.
                continue
            found.append(_Waiting(file.st_mtime, path, file.st_size))
        return sorted(found)

    def _write(self, earlier: Iterable[bytes], records: Sequence[Record]) -> str:
        # A second in the past, because Nagios discards all results of a file from the future, even by a millisecond.
        head = f"### Passive Check Result File ###\nfile_time={int(time.time()) - 1}\n\n".encode()
        descriptor, path = _new_file(self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(head)
                file.writelines(earlier)
                file.writelines(map(self.pack, records))
        except OSError:
            os.unlink(path)
            raise
        return path


def _ok(path: str) -> str:
    return f"{path}.ok"


def _withheld(path: str) -> str:
    return f"{path}.withheld"


def _results(path: str) -> bytes:
    """Returns the blocks of a file without its head, b"" for a file that Nagios has taken meanwhile."""
    try:
        return read_regular(path, _MOST_BYTES + 1).partition(b"\n\n")[2]
    except FileNotFoundError:
        return b""


def _release(draft: str, replaced: Sequence[str]) -> bool:
    """Releases the draft in place of other files, whose results it contains; on OSError these stay released.

    Returns False and removes the draft when Nagios has begun to take the files, because it would process their results
    twice. The .ok file of the newest one is renamed to that of the draft. Removing it and creating another one would
    lose the results of both if the process is killed or the disk fills up in between. The other files, left by several
    surveys, are withheld before.
    """
    withheld: list[str] = []
    try:
        for path in replaced[:-1]:
            os.rename(_ok(path), _withheld(path))
            withheld.append(path)
        if replaced:
            os.rename(_ok(replaced[-1]), _ok(draft))
        else:
            os.close(create(_ok(draft), _MODE))
    except OSError as error:
        for path in withheld:
            os.rename(_withheld(path), _ok(path))
        os.unlink(draft)
        if isinstance(error, FileNotFoundError):
            return False
        raise
    for path in withheld:
        os.unlink(_withheld(path))
    for path in replaced:
        # Nagios may have opened the file before, and have deleted it already.
        with suppress(FileNotFoundError):
            os.unlink(path)
    return True


def _new_file(folder: str) -> tuple[int, str]:
    while True:
        path = os.path.join(folder, _PREFIX + "".join(choice(_ALPHABET) for _ in range(_NAME_LENGTH - len(_PREFIX))))
        try:
            return create(path, _MODE), path
        except FileExistsError:
            pass

"""The spool folder of Nagios, its check_result_path: files that it takes and deletes.

Nagios reads the files of the folder in the order of the directory, which is none. Of two files, the older one may be
read last, and its results then overwrite the newer ones. So a survey has one released file waiting at a time: until
Nagios has taken it, the delivery queue keeps what follows. When Nagios does not take it for a minute, as while it is
stopped, or when the survey ends, the file is replaced by one that holds its results and the new ones behind them. Not
sooner: Nagios may be reading it at the moment, and its results would count twice.
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

# Nagios keeps that much of an output.
_OUTPUT_LIMIT = 8000
# Seconds after which Nagios is not about to read a file any more; it looks for files every ten by default.
_PATIENCE = 60.0
# What may wait for a Nagios that does not come, in bytes: a hundred thousand results or more.
_MOST_BYTES = 100 << 20
# Nagios, another user, reads them; to delete them it needs the folder alone.
_MODE = 0o644
# Nagios takes names of exactly seven characters that begin with a c. This is how a survey knows those of surveys.
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
        # The released files that Nagios may not have taken yet, None before the first delivery: until then, those that
        # an earlier survey has left are not known.
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
        """Writes one file, and releases it when it is whole; OSError, and then nothing of it is left.

        While an earlier file waits, all records are left.
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
                # Nagios deletes the file first.
                continue
            found.append(_Waiting(file.st_mtime, path, file.st_size))
        return sorted(found)

    def _write(self, earlier: Iterable[bytes], records: Sequence[Record]) -> str:
        # A second ago: of a file from the future, be it a millisecond, Nagios deletes all results unread.
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
    """Returns the blocks of a file, without its head; nothing of one that Nagios has taken meanwhile."""
    try:
        return read_regular(path, _MOST_BYTES + 1).partition(b"\n\n")[2]
    except FileNotFoundError:
        return b""


def _release(draft: str, replaced: Sequence[str]) -> bool:
    """Releases a file in place of others, whose results it has; OSError, and then those are what they were.

    False, and the draft is gone, when Nagios has begun to take them: it would read their results twice. The release of
    the newest one becomes that of the draft by its name: in between, with none of them released, the results of both
    would be lost when the process is killed or the disk has no room for another release. Files beside it, of several
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
        # Nagios may have opened it before, and be the first.
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

"""The spool folder of Nagios, its check_result_path: files that it takes in order and deletes."""

from __future__ import annotations

import os
import time
from secrets import choice
from string import ascii_letters, digits

from ...atomic import create
from ..destination import Outcome, Report
from .nagios import escaped_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .record import Record

# Nagios keeps that much of an output.
_OUTPUT_LIMIT = 8000
# Files that wait for a Nagios that does not come; about two hours of them.
_MOST_FILES = 10_000
# Nagios, another user, reads them; to delete them it needs the folder alone.
_MODE = 0o644
_ALPHABET = ascii_letters + digits


class NagiosSpool(Report):
    """Files `cXXXXXX` with many results each, released by an empty `cXXXXXX.ok` beside them."""

    batch = 500
    pause = 0.5

    def __init__(self, folder: str) -> None:
        self._folder = folder

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
        """Writes one file, and releases it when it is whole; OSError, and then nothing of it is left."""
        if len(os.listdir(self._folder)) > 2 * _MOST_FILES:
            return Outcome(records, f"more than {_MOST_FILES} files wait in {self._folder}")
        # A second ago: of a file from the future, be it a millisecond, Nagios deletes all results unread.
        head = f"### Passive Check Result File ###\nfile_time={int(time.time()) - 1}\n\n".encode()
        descriptor, path = _new_file(self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(head)
                file.writelines(map(self.pack, records))
            os.close(create(f"{path}.ok", _MODE))
        except OSError:
            os.unlink(path)
            raise
        return Outcome()


def _new_file(folder: str) -> tuple[int, str]:
    while True:
        path = os.path.join(folder, "c" + "".join(choice(_ALPHABET) for _ in range(6)))
        try:
            # Nagios takes names of exactly seven characters.
            return create(path, _MODE), path
        except FileExistsError:
            pass

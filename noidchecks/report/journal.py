"""What could not be handed in by the end of a survey, kept in a file until the next one."""

from __future__ import annotations

import json
import os
from hashlib import blake2b

from ..status.text import printable
from .parcel import Parcel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Say = Callable[[str], None]


class Journal:
    """The file of one report, a JSON line for each parcel; it can be read by its owner alone."""

    def __init__(self, folder: str, report: str, say: Say) -> None:
        # What a report is called may hold slashes.
        digest = blake2b(report.encode(errors="surrogateescape"), digest_size=6).hexdigest()
        self._path = os.path.join(folder, f"{report.partition('=')[0]}-{digest}.jsonl")
        self._say = say

    def load(self) -> list[Parcel]:
        """Returns what was kept; it stays in the file until clear() or store(). Complains about what it cannot read."""
        parcels = []
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    name, data = json.loads(line)
                    parcels.append(Parcel(name, data.encode()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            self._say(f"{printable(self._path)}: cannot be read: {printable(str(error))}")
        return parcels

    def store(self, parcels: Iterable[Parcel]) -> None:
        """Replaces what is kept, in one step; complains when it cannot be written."""
        lines = [json.dumps([parcel.name, parcel.data.decode()]) for parcel in parcels]
        if not lines:
            return self.clear()
        try:
            replace(self._path, "".join(f"{line}\n" for line in lines).encode(), 0o600)
        except OSError as error:
            self._say(f"{printable(self._path)}: {len(lines)} results are lost: {error.strerror}")

    def clear(self) -> None:
        """Forgets what is kept."""
        try:
            os.unlink(self._path)
        except OSError:
            pass


def replace(path: str, data: bytes, mode: int) -> None:
    """Writes a file beside the path and moves it there, so that nobody ever reads half of it; OSError."""
    draft = f"{path}.{os.getpid()}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            # Whatever the process's mask is: the readers are others.
            os.fchmod(descriptor, mode)
            file.write(data)
        os.replace(draft, path)
    except OSError:
        try:
            os.unlink(draft)
        except OSError:
            pass
        raise

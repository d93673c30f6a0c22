"""Files of this machine that a thread reads: no pipe or device, which would hold it for ever."""

from __future__ import annotations

import os
import stat


def require_regular(path: str, limit: int) -> None:
    """OSError for what is no regular file, or has more than limit bytes."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")
    if found.st_size > limit:
        raise OSError(f"it has more than {limit} bytes")


def read_regular(path: str, limit: int) -> bytes:
    """Returns what is in a regular file; OSError, also for more than limit bytes."""
    # Not blocking, so that opening a pipe does not wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"it has more than {limit} bytes")
    return data

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

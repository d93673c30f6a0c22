"""Reads local files, only regular ones, because reading a pipe or a device may never end."""

from __future__ import annotations

import errno
import os
import stat


class NotRegular(OSError):
    """The path leads to something other than a regular file."""

    def __init__(self, path: str, mode: int) -> None:
        if stat.S_ISDIR(mode):
            super().__init__(errno.EISDIR, os.strerror(errno.EISDIR), path)
        else:
            super().__init__(errno.EINVAL, "it is no regular file", path)


class TooLarge(OSError):
    """The file is larger than the limit of its reader."""

    def __init__(self, path: str, limit: int) -> None:
        size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
        super().__init__(errno.EFBIG, f"it has more than {size}", path)


def open_regular(path: str | os.PathLike[str], flags: int = 0) -> int:
    """Opens a regular file for reading without blocking; raises OSError, whose strerror is one clause.

    flags are additional flags of open(2), such as O_NOFOLLOW.
    """
    name = os.fspath(path)
    try:
        # Checked before open(), which has side effects on a tape, a watchdog device or the writer of a pipe.
        mode = (os.lstat if flags & os.O_NOFOLLOW else os.stat)(name).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegular(name, mode)
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | flags)
    except ValueError as error:
        # The path contains NUL.
        raise FileNotFoundError(errno.ENOENT, str(error), name) from None
    # Checked again, because the path may lead to another file since (TOCTOU).
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise NotRegular(name, mode)
    return descriptor


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """Returns the contents of a regular file of at most limit bytes; raises OSError, whose strerror is one clause."""
    with open(open_regular(path), "rb", buffering=0) as file:
        data = b""
        while part := file.read(limit + 1 - len(data)):
            data += part
            if len(data) > limit:
                raise TooLarge(os.fspath(path), limit)
    return data


def require_regular(path: str | os.PathLike[str], limit: int) -> None:
    """Raises OSError for a file that read_regular() would refuse; for libraries that open the path themselves."""
    descriptor = open_regular(path)
    try:
        if os.fstat(descriptor).st_size > limit:
            raise TooLarge(os.fspath(path), limit)
    finally:
        os.close(descriptor)

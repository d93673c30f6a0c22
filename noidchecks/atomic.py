"""Writes files atomically: a reader sees the complete old or the complete new contents."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

# A file name has at most 255 bytes, and that of a temporary file adds two dots and 16 digits.
_MOST_NAME = 230


def draft_beside(path: str | PathLike[str]) -> str:
    """Returns an unguessable hidden path for a temporary file in the same folder, against symlink attacks."""
    return f"{_draft_prefix(path)}{os.urandom(8).hex()}"


def remove_drafts(path: str | PathLike[str]) -> None:
    """Removes the temporary files of a path that killed processes have left; raises OSError.

    The caller must hold a lock that keeps other processes from writing the path at the same time.
    """
    folder, prefix = os.path.split(_draft_prefix(path))
    for name in os.listdir(folder or "."):
        if name.startswith(prefix) and len(name) == len(prefix) + 16:
            os.unlink(os.path.join(folder, name))


def _draft_prefix(path: str | PathLike[str]) -> str:
    folder, name = os.path.split(os.fspath(path))
    short = os.fsdecode(os.fsencode(name)[:_MOST_NAME])
    return os.path.join(folder, f".{short}.")


def create(path: str | PathLike[str], mode: int) -> int:
    """Creates a file and returns its descriptor for writing; raises FileExistsError for any file or link, OSError.

    The mode is set regardless of the umask.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        os.unlink(path)
        raise
    return descriptor


def write_atomic(
    path: str | PathLike[str],
    data: bytes,
    *,
    mode: int,
    durable: bool = False,
    owner: tuple[int, int] | None = None,
) -> None:
    """Writes a temporary file beside the path and renames it to the path; a link at the path is replaced.

    durable syncs file and folder to disk before it returns, so that the file survives a crash; owner is a user id and a
    group id. Raises OSError, after removing the temporary file.
    """
    draft = draft_beside(path)
    descriptor = create(draft, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            if owner is not None:
                os.fchown(descriptor, *owner)
            if durable:
                file.flush()
                os.fsync(descriptor)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    if durable:
        folder = os.open(os.path.dirname(draft) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

"""Writes files in one step: a reader sees the old or the new contents, always whole."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

# A name has at most 255 bytes, and the draft's has a dot, a dot and 16 digits more.
_MOST_NAME = 230


def draft_beside(path: str | PathLike[str]) -> str:
    """Returns a hidden path in the same folder that is not to be guessed, so that no link can wait there."""
    return f"{_draft_prefix(path)}{os.urandom(8).hex()}"


def remove_drafts(path: str | PathLike[str]) -> None:
    """Removes the drafts of a path that killed processes have left; OSError.

    Only for a process that knows that no other one writes the path at the moment, because it holds a lock.
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
    """Returns a descriptor to write a file that was not there before, never that of a link; FileExistsError, OSError.

    The mode is the file's own, whatever the process's mask is.
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
    """Writes a draft beside the path and moves it there; a link at the path is replaced. OSError, and nothing is left.

    durable has it on the disk before it returns, so that it survives a crash; owner is a user and a group.
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

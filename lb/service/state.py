"""The state folder: the operator's overrides, the configuration that was applied last, the checkpoint."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from noidchecks.atomic import remove_drafts, write_atomic
from noidchecks.regular import TooLarge, read_regular

from ..errors import LbError
from ..overrides import NewerError, Overrides, from_json, to_json
from .places import DEFAULT_FOLDER

_MAX_SIZE = 16 * 1024 * 1024
_PATIENCE = 30.0
# File modes: of copies of the farms file, whose commands may contain a password whatever the mode of the file itself;
# of the overrides, which noidlb show reads without being root.
_PRIVATE, _PUBLIC = 0o600, 0o644


class StateError(LbError, RuntimeError):
    """A state folder that cannot be used: one sentence."""


class StateFolder:
    """The folder with overrides and the last applied configuration."""

    def __init__(self, path: str | os.PathLike[str] = DEFAULT_FOLDER) -> None:
        self.path = os.fspath(path)
        # Complaints for the operator, such as a broken file that was put aside.
        self.warnings: list[str] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock of the folder, which every noidlb takes before a change; makes the folder if needed."""
        try:
            os.makedirs(self.path, mode=0o755, exist_ok=True)
            descriptor = self._open_lock()
        except OSError as error:
            raise self._error(error) from error
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def overrides(self, *, put_aside: bool = False) -> Overrides:
        """Reads the overrides; none when the file is missing or, with a warning, when it is broken.

        put_aside renames a broken file, so that it is not overwritten; only under the lock.
        """
        path = self._at("words.json")
        data = self._read("words.json")
        if data is None:
            return Overrides()
        try:
            return from_json(data)
        except NewerError as error:
            # An older noidlb must not overwrite what a newer one has written.
            raise StateError(f"{path} was {error}") from error
        except ValueError as error:
            # The file is kept for the operator, and the farms are served without it.
            aside = f", and is kept as {self._put_aside(path)}" if put_aside else ""
            complaint = str(error).partition(": line")[0][:100]
            self.warnings.append(f"{path} is broken{aside}: every backend is as configured ({complaint})")
            return Overrides()

    def save_overrides(self, overrides: Overrides) -> None:
        """Writes the overrides; only under the lock."""
        self._write("words.json", to_json(overrides), mode=_PUBLIC)

    @property
    def applied_path(self) -> str:
        """The file with the configuration that was applied last."""
        return self._at("farms.toml")

    def applied(self) -> str | None:
        """Returns the text of the configuration that was applied last, or None."""
        data = self._read("farms.toml")
        return None if data is None else data.decode(errors="replace")

    def save_applied(self, text: str) -> None:
        """Writes the text of the configuration that was applied; only under the lock."""
        self._write("farms.toml", text.encode(), mode=_PRIVATE)

    def checkpoint(self) -> bytes:
        """Returns the checkpoint that the last command has written, b"" when there is none or it cannot be read."""
        try:
            return self._read("kernel.json") or b""
        except StateError:
            return b""

    def save_checkpoint(self, data: bytes) -> None:
        """Writes the checkpoint for the next command; only under the lock.

        It need not survive a crash, and errors are ignored: without a checkpoint, the next command reads the kernel.
        """
        with suppress(OSError):
            remove_drafts(self._at("kernel.json"))
            write_atomic(self._at("kernel.json"), data, mode=_PRIVATE, owner=self._owner())

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _put_aside(self, path: str) -> str:
        kept = f"{path}.broken-{time.time_ns()}"
        try:
            os.rename(path, kept)
        except OSError as error:
            raise self._error(error) from error
        return os.path.basename(kept)

    def _wait_for(self, descriptor: int) -> None:
        limit = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise StateError(f"another noidlb has held {self.path}/lock for {_PATIENCE:g} seconds") from None
                time.sleep(0.02)
            except OSError as error:
                # For example NFS without its lock service.
                raise self._error(error) from error

    def _read(self, name: str) -> bytes | None:
        try:
            return read_regular(self._at(name), _MAX_SIZE)
        except FileNotFoundError:
            return None
        except TooLarge as error:
            raise StateError(f"{self._at(name)} is larger than {_MAX_SIZE >> 20} MiB: it is not ours") from error
        except OSError as error:
            raise self._error(error) from error

    def _write(self, name: str, data: bytes, *, mode: int) -> None:
        """Writes a file atomically and durably: after a crash, it is completely the old one or the new one."""
        is_there = self._read(name) == data
        try:
            # A file that more users may read was written by an older noidlb, and is replaced.
            if is_there and not os.stat(self._at(name)).st_mode & 0o777 & ~mode:
                return
            # A noidlb that was killed while it wrote has left a draft, which would stay for good.
            remove_drafts(self._at(name))
            write_atomic(self._at(name), data, mode=mode, durable=True, owner=self._owner())
        except OSError as error:
            raise self._error(error) from error

    def _owner(self) -> tuple[int, int] | None:
        """Returns the folder's owner if files need it: the service's user must be able to read what root writes."""
        folder = os.stat(self.path)
        return (folder.st_uid, folder.st_gid) if os.geteuid() == 0 and folder.st_uid else None

    def _open_lock(self) -> int:
        # The folder may belong to another user, who could place a link there for root to follow.
        path, flags = self._at("lock"), os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            # Read-only after a disk error. The lock still works, so that commands can change the kernel one at a time.
            descriptor = os.open(path, os.O_RDONLY | flags)
        try:
            found, owner = os.fstat(descriptor), self._owner()
            if found.st_nlink != 1:
                # A hard link to a file of root, whose owner must not be changed.
                raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
            if owner and found.st_uid != owner[0]:
                os.fchown(descriptor, *owner)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _error(self, error: OSError) -> StateError:
        return StateError(f"the state folder {self.path} cannot be used: {error.strerror}; --state-dir names another")

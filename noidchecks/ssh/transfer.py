"""What moves over an SFTP session: a listing, a file, a canary; blocking, for a thread."""

from __future__ import annotations

from ..errors import PeerError
from ..files.canary import Canary
from ..files.content import Content
from ..files.findings import FileFindings
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..files.settings import File, Listing
    from .probe import SshProbe

    # paramiko's, or what stands for it in a test; it ships no types.
    Session = Any

_CHUNK = 32768
# A hostile server's listing ends nowhere.
_MOST_ENTRIES = 1_000_000
_SHOWN = 200
# SSH_FXP_REMOVE (draft-ietf-secsh-filexfer-02 section 3).
_CMD_REMOVE = 13


class SftpFindings(FileFindings):
    """What was found behind the login.

    method is what let us in. moved counts bytes. stamp is the time of the file whose time was asked for, in Unix
    seconds. words is what the server's text goes through.
    """

    __slots__ = ("words", "method", "moved", "stamp")

    def __init__(self, words: Callable[[bytes | str, int], str] = printable) -> None:
        super().__init__()
        self.words = words
        self.method = ""
        self.moved = 0
        self.stamp: float | None = None


def tasks(probe: SshProbe, session: Session, found: SftpFindings) -> Callable[[], None] | None:
    """Returns what the probe asks for, a canary aside, as one call; None when that is nothing."""
    calls: list[Callable[[], None]] = []
    if (listing := probe.listing) is not None:
        calls.append(lambda: list_folder(session, listing, found))
    if (file := probe.get) is not None:
        calls.append(lambda: get(session, file, found))
    if probe.timestamp:
        calls.append(lambda: stamp(session, probe.timestamp, found))

    def work() -> None:
        for call in calls:
            call()

    return work if calls else None


def list_folder(session: Session, listing: Listing, found: SftpFindings) -> None:
    """Counts what is in the folder; PeerError."""
    with _Task(found, f"list {listing.folder}" if listing.folder else "list"):
        for _ in session.listdir_iter(listing.folder or ".", read_aheads=8):
            found.entries += 1
            if found.entries > _MOST_ENTRIES:
                raise PeerError(f"more than {_MOST_ENTRIES} files", expected="", received=b"")
        found.listed = found.counted = True


def get(session: Session, file: File, found: SftpFindings) -> None:
    """Reads the file, and its time if an age is asked for; PeerError, also for more than its limit of bytes."""
    with _Task(found, f"get {file.name}"):
        if file.max_age is not None:
            found.modified = _modified(session, file.name)
        content = found.content = Content(hashed=bool(file.sha256), text=file.contains)
        _read(session, file.name, content, file.limit, found)
        found.got = True


def stamp(session: Session, name: str, found: SftpFindings) -> None:
    """Asks when a file was last modified; PeerError."""
    with _Task(found, f"timestamp of {name}"):
        found.stamp = _modified(session, name)


def put(session: Session, folder: str, found: SftpFindings) -> None:
    """Stores a canary, reads it back, compares and deletes it, also when the others fail; PeerError."""
    with _Task(found, f"put {folder}" if folder else "put"):
        canary = Canary(folder)
        try:
            # Exclusive, so that nothing of somebody else's is overwritten.
            with session.open(canary.name, "wx") as file:
                found.leftover = canary.name
                file.write(canary.data)
                found.moved += len(canary.data)
            back = canary.to_read()
            _read(session, canary.name, back, len(canary.data), found)
            if complaint := canary.complaint(back):
                raise PeerError(complaint, expected=f"{len(canary.data)} bytes", received=b"")
        except BaseException:
            if found.leftover:
                _remove_quietly(session, found)
            raise
        session.remove(canary.name)
        found.leftover = ""
        found.put = True


def ask_removal(session: Session, found: SftpFindings) -> None:
    """Asks to delete the canary without waiting for the answer, while somebody else waits for one of the session."""
    if found.leftover:
        session._async_request(type(None), _CMD_REMOVE, session._adjust_cwd(found.leftover))


class _Task:
    """Names what is under way, and says a failure of it in one sentence."""

    __slots__ = ("_found",)

    def __init__(self, found: SftpFindings, task: str) -> None:
        found.task = task
        self._found = found

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._found.task = ""
        elif isinstance(error, OSError):
            # SFTP's refusals: two of them have numbers, all have the server's words.
            reason = error.strerror or str(error) or "refused"
            raise PeerError(
                self._found.words(reason, _SHOWN), expected="", received=reason.encode(errors="replace")
            ) from error


def _modified(session: Session, name: str) -> float:
    seconds = session.stat(name).st_mtime
    if seconds is None:
        raise PeerError("the server does not say when it was modified", expected="mtime", received=b"")
    return float(seconds)


def _read(session: Session, name: str, content: Content, limit: int, found: SftpFindings) -> None:
    with session.open(name, "rb") as file:
        while data := file.read(_CHUNK):
            content.feed(data)
            found.moved += len(data)
            if content.size > limit:
                raise PeerError(f"more than {limit} bytes", expected=f"at most {limit} bytes", received=b"")


def _remove_quietly(session: Session, found: SftpFindings) -> None:
    try:
        session.remove(found.leftover)
    except FileNotFoundError:
        pass
    except Exception:
        # What failed before is the news; that it may be left is told too.
        return
    found.leftover = ""
